//! Compiled modules on disk: used again, never believed.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

fn load(engine: &Engine, limits: Limits) {
    let bytes = wat::parse_str(source("identity")).unwrap();
    engine.load("identity", &bytes, &Value::Null, limits).unwrap();
}

fn entries(state: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> =
        fs::read_dir(state.join("compiled")).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

#[test]
fn a_module_is_compiled_once_for_each_setting() {
    let state = tempfile::tempdir().unwrap();
    let engine = Engine::new(Some(state.path())).unwrap();
    load(&engine, LIMITS);
    let first = entries(state.path());
    assert_eq!(first.len(), 1);
    let before = fs::read(&first[0]).unwrap();
    load(&Engine::new(Some(state.path())).unwrap(), LIMITS);
    assert_eq!(entries(state.path()), first);
    assert_eq!(fs::read(&first[0]).unwrap(), before);
    load(&engine, Limits { time: None, ..LIMITS });
    assert_eq!(entries(state.path()).len(), 2);
}

#[test]
fn a_damaged_entry_is_compiled_again() {
    let state = tempfile::tempdir().unwrap();
    let engine = Engine::new(Some(state.path())).unwrap();
    load(&engine, LIMITS);
    let entry = entries(state.path()).remove(0);
    let good = fs::read(&entry).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    for bad in [&b""[..], b"short", &good[..good.len() / 2], &flipped, &[0; 4096]] {
        fs::write(&entry, bad).unwrap();
        load(&engine, LIMITS);
        assert_eq!(fs::read(&entry).unwrap(), good);
    }
}

#[test]
fn a_folder_that_others_may_enter_is_refused() {
    let state = tempfile::tempdir().unwrap();
    Engine::new(Some(state.path())).unwrap();
    let folder = state.path().join("compiled");
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o770)).unwrap();
    let error = Engine::new(Some(state.path())).err().unwrap().to_string();
    assert!(error.ends_with("is open to others: it holds native code; remove it, and it is made anew"), "{error}");
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(Engine::new(Some(file.path())).is_err());
}
