//! Guests that do as they should.

use super::*;

#[test]
fn identity_keeps_every_record() {
    let mut guest = guest("identity");
    let input = [Some(&b"one"[..]), None, Some(b"")];
    for _ in 0..3 {
        let batch = values(&input);
        let outputs = apply(&mut *guest, &batch).unwrap();
        assert_eq!(outputs.origins, [0, 1, 2]);
        let view = outputs.view(batch.clone());
        assert_eq!(view.values.iter().collect::<Vec<_>>(), input);
        assert_eq!(view.timestamps, batch.timestamps);
    }
}

#[test]
fn the_input_buffer_grows_with_the_batches() {
    let mut guest = guest("identity");
    let value = vec![b'x'; 1000];
    for count in [1, 10, 1500, 3, 2500] {
        let input = vec![Some(&value[..]); count];
        assert_eq!(apply(&mut *guest, &values(&input)).unwrap().origins.len(), count);
    }
    assert!(guest.memory() > 3 << 20, "{}", guest.memory());
}

#[test]
fn a_batch_larger_than_the_guests_memory_is_a_fault() {
    let value = vec![b'x'; 17 << 20];
    let mut guest = guest("identity");
    assert_eq!(
        fault(&mut *guest, &values(&[Some(&value)])),
        (Class::Memory, "no memory for 17.0 MiB of input, limits.memory is 16.0 MiB".to_owned())
    );
}

#[test]
fn drop_all_drops_every_record() {
    let outputs = apply(&mut *guest("drop-all"), &values(&[Some(b"one"), None])).unwrap();
    assert!(outputs.origins.is_empty() && outputs.rejects.is_empty());
}

#[test]
fn stamp_gives_each_record_its_version() {
    let source = source("stamp").replace("\"0001\") ;; VERSION", "\"0042\") ;; VERSION");
    let bytes = wat::parse_str(source).unwrap();
    let module = ENGINE.load("stamp", &bytes, &Value::Null, LIMITS).unwrap();
    let batch = values(&[Some(b"one"), None]);
    let outputs = apply(&mut *module.instantiate().unwrap(), &batch).unwrap();
    let view = outputs.view(batch.clone());
    assert_eq!(&*view.headers.counts, [1, 1]);
    assert_eq!(view.headers.names.iter().collect::<Vec<_>>(), [Some(&b"version"[..]); 2]);
    assert_eq!(view.headers.values.iter().collect::<Vec<_>>(), [Some(&b"0042"[..]); 2]);
}
