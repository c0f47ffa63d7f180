//! What is read of headers, and which letters a filter chooses.

use super::filter::Filter;
use super::*;

type Header = (Bytes<'static>, Bytes<'static>);

fn header(name: &'static str, value: &'static str) -> Header {
    (Some(name.as_bytes()), Some(value.as_bytes()))
}

fn written() -> Vec<Header> {
    vec![
        header("edgemill.class", "reject"),
        header("edgemill.code", "no-price"),
        header("edgemill.message", "a message"),
        header("edgemill.pipeline", "p"),
        header("edgemill.module", "m.wasm"),
        header("edgemill.topic", "in"),
        header("edgemill.partition", "3"),
        header("edgemill.offset", "77"),
        header("edgemill.timestamp", "-1"),
        header("edgemill.time", "5000"),
    ]
}

#[test]
fn only_what_the_host_wrote_is_a_dead_letter() {
    assert_eq!(Letter::read(&[]), None);
    assert_eq!(Letter::read(&[header("a", "b")]), None);
    assert_eq!(Letter::read(&[header("edgemill.class", "reject")]), None, "it says nothing of the original");
    let mut behind = written();
    behind.push(header("other", "x"));
    assert_eq!(Letter::read(&behind), None, "the host's headers are the last");
    let mut wrong = written();
    wrong[7] = header("edgemill.offset", "many");
    assert_eq!(Letter::read(&wrong), None);
}

#[test]
fn headers_of_an_original_that_was_a_dead_letter_itself_are_its_own() {
    let mut headers = vec![header("edgemill.tries", "9")];
    headers.extend(written());
    let before = headers.len();
    headers.extend(written());
    headers.push(header("edgemill.a-later-version", "x"));
    let letter = Letter::read(&headers).expect("the host wrote it");
    assert_eq!((letter.own, letter.tries), (before, 1));
    assert_eq!((letter.topic, letter.partition, letter.offset, letter.timestamp), ("in", 3, 77, -1));
}

#[test]
fn a_letter_says_how_often_it_was_tried() {
    let mut headers = written();
    headers.push(header("edgemill.tries", "4"));
    assert_eq!(Letter::read(&headers).expect("the host wrote it").tries, 4);
}

#[test]
fn a_filter_chooses_what_fits_all_of_it() {
    let headers = written();
    let letter = Letter::read(&headers).expect("the host wrote it");
    let some = |word: &str| vec!["x".to_owned(), word.to_owned()];
    let fits = Filter {
        classes: some("reject"),
        modules: some("m"),
        codes: some("no-price"),
        from: Some(5000),
        to: Some(5001),
        topic: Some("in".to_owned()),
        partition: Some(3),
        offsets: Some(70..=77),
    };
    assert!(Filter::default().chooses(&letter));
    assert!(fits.chooses(&letter));
    assert!(Filter { modules: some("m.wasm"), ..fits.clone() }.chooses(&letter));
    let others = [
        Filter { classes: some("trap"), ..fits.clone() },
        Filter { modules: some("m.was"), ..fits.clone() },
        Filter { codes: some("price"), ..fits.clone() },
        Filter { from: Some(5001), ..fits.clone() },
        Filter { to: Some(5000), ..fits.clone() },
        Filter { topic: Some("out".to_owned()), ..fits.clone() },
        Filter { partition: Some(0), ..fits.clone() },
        Filter { offsets: Some(78..=90), ..fits },
    ];
    for other in others {
        assert!(!other.chooses(&letter), "{other:?}");
    }
}
