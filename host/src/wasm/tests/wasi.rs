//! WASI for plain modules: what it answers, and that what it grants stays within bounds.

use super::*;

#[test]
fn only_clock_random_and_the_log_are_there() {
    let batch = values(&[Some(b"a")]);
    let outputs = apply(&mut *guest("wasi"), &batch).unwrap();
    assert_eq!(outputs.values.data, [8, 8, 0, 21, 28, 0, 28, 0, 0, 1, 0, 0, 70, 8]);
}

#[test]
fn an_exit_is_a_fault_with_its_code() {
    let (class, message) = fault(&mut *guest("wasi"), &values(&[Some(b"x")]));
    assert_eq!(class, Class::Trap);
    assert!(message.starts_with("the guest ended itself with exit code 7"), "{message}");
}

#[test]
fn a_sleep_ends_with_the_time_of_the_call() {
    let began = std::time::Instant::now();
    let (class, message) = fault(&mut *guest("wasi"), &values(&[Some(b"s")]));
    assert_eq!((class, &*message), (Class::Timeout, "took longer than 100ms"));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn what_is_printed_before_a_trap_explains_it() {
    let (class, message) = fault(&mut *guest("wasi"), &values(&[Some(b"p")]));
    assert_eq!(class, Class::Trap);
    assert!(message.contains("as a panic or an abort does: from the guest"), "{message}");
}

#[test]
fn every_function_of_preview_1_links_and_no_other_does() {
    // names and types as the specification has them
    let all = "args_get ii|args_sizes_get ii|clock_res_get ii|clock_time_get iIi|environ_get ii|environ_sizes_get ii|\
               fd_advise iIIi|fd_allocate iII|fd_close i|fd_datasync i|fd_fdstat_get ii|fd_fdstat_set_flags ii|\
               fd_fdstat_set_rights iII|fd_filestat_get ii|fd_filestat_set_size iI|fd_filestat_set_times iIIi|\
               fd_pread iiiIi|fd_prestat_dir_name iii|fd_prestat_get ii|fd_pwrite iiiIi|fd_read iiii|fd_readdir iiiIi|\
               fd_renumber ii|fd_seek iIii|fd_sync i|fd_tell ii|fd_write iiii|path_create_directory iii|\
               path_filestat_get iiiii|path_filestat_set_times iiiiIIi|path_link iiiiiii|path_open iiiiiIIii|\
               path_readlink iiiiii|path_remove_directory iii|path_rename iiiiii|path_symlink iiiii|\
               path_unlink_file iii|poll_oneoff iiii|proc_raise i|random_get ii|sched_yield |sock_accept iii|\
               sock_recv iiiiii|sock_send iiiii|sock_shutdown ii";
    let import = |line: &str| {
        let (name, params) = line.split_once(' ').unwrap();
        let params = params.replace('i', " i32").replace('I', " i64");
        format!("(import \"wasi_snapshot_preview1\" \"{name}\" (func (param{params}) (result i32)))")
    };
    let imports: String = all.split('|').map(import).collect();
    let identity = source("identity");
    let with = |imports: &str| wat::parse_str(identity.replacen("(module", &format!("(module {imports}"), 1)).unwrap();
    ENGINE.load("all", &with(&imports), &Value::Null, LIMITS).unwrap();
    let other = with("(import \"wasi_snapshot_preview1\" \"fd_teleport\" (func))");
    assert_eq!(
        ENGINE.load("other", &other, &Value::Null, LIMITS).err().unwrap().to_string(),
        "link: imports wasi_snapshot_preview1::fd_teleport, which is not granted: preview 1 of WASI has no such function"
    );
}
