//! `edgemill new`: a folder with a transform to begin with, its tests, and the SDK that it is built with.

use super::{Done, Failure};
use crate::config::similar;
use anyhow::Context;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

/// All files below `guest-sdk`, by their path there.
const SDKS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/sdks.rs"));

/// Parts of an SDK that only its own development needs.
const OWN: [&str; 6] = ["template/", "tests/", "check", ".gitignore", "Makefile", "package-lock.json"];

/// Languages whose SDK is another's, or around another's.
const BENEATH: [(&str, &str); 2] = [("cpp", "c"), ("ts", "js")];

/// Names that do not build somewhere: words of Zig, which has them in its package file, and packages that Rust, Go and the SDKs have already.
const TAKEN: &str = "addrspace align and anyframe anytype asm async await break callconv catch comptime const continue defer else enum errdefer \
                     error export extern fn for if inline noalias noinline nosuspend opaque or orelse packed pub resume return struct suspend switch \
                     test threadlocal try union unreachable var volatile while \
                     alloc cmd core edgemill edgemill-guest go proc-macro std";

/// Writes a new transform: source, tests, fixtures, build file, and the SDK, all from the program itself
///
/// The folder NAME must not be there, or be empty. Its README has the one command that builds the module; `edgemill test` runs
/// the fixtures.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The folder, whose last part is the transform's name: letters, digits and `-`
    #[arg(value_name = "NAME")]
    folder: PathBuf,

    /// The language; without it, those that there are are named
    #[arg(long, value_name = "LANGUAGE", default_value = "", hide_default_value = true)]
    lang: String,
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let Arguments { folder, lang } = arguments;
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-');
    if !is_name {
        return Err(Failure::usage(format!(
            "{name:?} cannot be a transform's name in all languages: write a small letter, then small letters, digits and `-`"
        )));
    }
    if TAKEN.split_whitespace().any(|taken| taken == name) {
        return Err(Failure::usage(format!("{name:?} is a word of a language, or of its tools: choose another name")));
    }
    let languages = languages();
    if !languages.contains(&lang.as_str()) {
        let likely = similar(lang, &languages).map_or(String::new(), |likely| format!(", for example {likely}"));
        let wrong = if lang.is_empty() { "in which language?".to_owned() } else { format!("no SDK for {lang:?}:") };
        return Err(Failure::usage(format!("{wrong} write --lang with one of {}{likely}", languages.join(", "))));
    }
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::usage(format!("{} is there, and not empty", folder.display())));
    }
    let places = places(name);
    for (path, bytes) in files(lang) {
        write(&folder.join(path), bytes, &places)?;
    }
    println!("wrote {} with the SDK for {lang}: its README has the command that builds it", folder.display());
    Ok(Done::Well)
}

/// The languages that have a template.
fn languages() -> Vec<&'static str> {
    let mut all: Vec<&str> = SDKS
        .iter()
        .filter_map(|(path, _)| {
            let (language, rest) = path.split_once('/')?;
            rest.starts_with("template/").then_some(language)
        })
        .collect();
    all.dedup();
    all
}

/// The files of a new transform: the template's, and behind them the SDK's that it does not have its own of.
fn files(lang: &str) -> Vec<(PathBuf, &'static [u8])> {
    let below = |folder: String| {
        SDKS.iter().filter_map(move |(path, bytes)| Some((path.strip_prefix(folder.as_str())?, *bytes)))
    };
    let mut files: Vec<(PathBuf, &[u8])> =
        below(format!("{lang}/template/")).map(|(path, bytes)| (PathBuf::from(path), bytes)).collect();
    let beneath = BENEATH.iter().find(|(language, _)| *language == lang).map(|(_, beneath)| *beneath);
    let sdk = [Some(lang), beneath].into_iter().flatten().flat_map(|language| below(format!("{language}/")));
    let sdk = sdk.filter(|(path, _)| !OWN.iter().any(|own| path.starts_with(own)));
    let wit = below("wit/".to_owned()).map(|(path, bytes)| (Path::new("wit").join(path), bytes));
    for (path, bytes) in sdk.map(|(path, bytes)| (Path::new("sdk").join(path), bytes)).chain(wit) {
        if files.iter().all(|(there, _)| *there != path) {
            files.push((path, bytes));
        }
    }
    files
}

/// What stands where a template has a place for it.
fn places(name: &str) -> [(&'static str, String); 3] {
    let ident = name.replace('-', "_");
    let fingerprint =
        format!("0x{:08x}{:08x}", crc32(ident.as_bytes()), RandomState::new().hash_one(name) as u32 >> 1 | 1);
    [("{{name}}", name.to_owned()), ("{{ident}}", ident), ("{{fingerprint}}", fingerprint)]
}

/// The checksum of a package's name that Zig wants in the upper half of the package's fingerprint; the lower half is random, and
/// neither 0 nor all ones.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}

/// Writes a file of a template.
fn write(path: &Path, bytes: &[u8], places: &[(&str, String)]) -> Result<(), Failure> {
    let parent = path.parent().unwrap_or(path);
    std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let bytes = match std::str::from_utf8(bytes) {
        Ok(text) => places.iter().fold(text.to_owned(), |text, (place, is)| text.replace(place, is)).into_bytes(),
        Err(_) => bytes.to_vec(),
    };
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_has_what_a_transform_needs() {
        assert_eq!(languages(), ["assemblyscript", "c", "cpp", "go", "js", "python", "rust", "ts", "zig"]);
        for language in languages() {
            let files: Vec<String> = files(language).iter().map(|(path, _)| path.display().to_string()).collect();
            for part in ["README.md", "fixtures/hello.json", "sdk/", "wit/"] {
                assert!(files.iter().any(|path| path.starts_with(part)), "{language} has no {part}: {files:?}");
            }
            assert!(!files.iter().any(|path| path.contains("template")), "{files:?}");
        }
    }

    #[test]
    fn a_zig_package_has_the_checksum_of_its_name() {
        let [.., (_, fingerprint)] = places("very-loud");
        assert!(fingerprint.starts_with("0x3ace296b") && fingerprint.len() == 18, "{fingerprint}");
    }

    #[test]
    fn names_and_languages_that_cannot_be_are_refused() {
        let told = |folder: &str, lang: &str| {
            let arguments = Arguments { folder: folder.into(), lang: lang.to_owned() };
            match run(&arguments) {
                Err(Failure::Usage(error)) => error.to_string(),
                _ => panic!("{folder} in {lang} is taken"),
            }
        };
        assert!(told("/nowhere/Shout", "rust").contains("small letter"));
        assert!(told("/nowhere/shout", "rusty").contains("for example rust"));
        assert!(told("/nowhere/shout", "").contains("in which language?"));
        assert!(told(env!("CARGO_MANIFEST_DIR"), "c").contains("not empty"));
    }
}
