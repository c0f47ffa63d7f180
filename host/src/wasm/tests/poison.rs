//! One guest that does whatever a record tells it.

use super::*;

#[test]
fn a_poison_record_faults_the_call_in_its_own_way() {
    let table: [(&[u8], Class, &str); 7] = [
        (b"T!", Class::Trap, "trap: unreachable code was reached, as a panic or an abort does"),
        (b"S!", Class::Trap, "trap: the stack overflowed, as endless recursion does; in recurse"),
        (b"E!", Class::Trap, "the guest gives up"),
        (b"L!", Class::Timeout, "took longer than 100ms"),
        (
            b"M!",
            Class::Memory,
            "wanted 16.1 MiB of memory, limits.memory is 16.0 MiB; then trap: unreachable code was reached, as a \
             panic or an abort does; in hog",
        ),
        (b"G!", Class::Output, "values: 4 bytes at 4294967288 end outside of the memory, which has 1114112"),
        (b"H!", Class::Output, "count: 2000000 outputs of one call; 1048576 at most"),
    ];
    for (value, class, message) in table {
        let mut guest = guest("poison");
        assert_eq!(fault(&mut *guest, &values(&[Some(value)])), (class, message.to_owned()));
    }
}

#[test]
fn a_refused_record_leaves_the_others_alone() {
    let outputs = apply(&mut *guest("poison"), &values(&[Some(b"a"), Some(b"R!"), Some(b"D!"), None, Some(b"R!x")]));
    let outputs = outputs.unwrap();
    assert_eq!(outputs.origins, [0, 3]);
    let rejects: Vec<_> = outputs.rejects.iter().map(|r| (r.origin, &*r.code, &*r.message)).collect();
    assert_eq!(rejects, [(1, "poison", "the value says R!"), (4, "poison", "the value says R!")]);
}

#[test]
fn an_instance_that_failed_is_spent() {
    let mut guest = guest("poison");
    apply(&mut *guest, &values(&[Some(b"T!")])).unwrap_err();
    assert_eq!(fault(&mut *guest, &values(&[Some(b"a")])), (Class::Trap, "the instance has failed before".to_owned()));
}

#[test]
fn a_call_with_many_records_is_cut_after_its_slice() {
    let bytes = wat::parse_str(source("poison")).unwrap();
    let limits = Limits { time: Some(Duration::from_secs(60)), ..LIMITS };
    let mut guest = ENGINE.load("poison", &bytes, &Value::Null, limits).unwrap().instantiate().unwrap();
    assert_eq!(
        fault(&mut *guest, &values(&[Some(b"a"), Some(b"L!")])),
        (Class::Timeout, "a call with 2 records took longer than 100ms".to_owned())
    );
}
