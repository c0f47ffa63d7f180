//! The sink alone: what is refused, what fails, and what is settled of both.

use super::*;

#[test]
fn a_row_that_is_too_large_is_refused_and_the_others_are_delivered() {
    let broker = EmbeddedBroker::start(&[("out", 1), ("other", 1), ("dead", 1)]).unwrap();
    let mut sink = sink_with(&broker, Partitioning::Key, &[("message.max.bytes", "2000")]);
    let large = vec![b'x'; 3000];
    let mut refused: Vec<Refusal> = Vec::new();
    let routes = [Route(0), Route::DEAD_LETTER, Route(1)];
    sink.submit(span(1), &rows(0, &[b"a", &large, b"c"]), &routes, &mut refused).unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].row, 1);
    assert!(refused[0].message.contains("\"dead\""), "{}", refused[0].message);
    settle(&mut sink, 2);
    assert_eq!(sink.in_flight(), 0);
}

#[test]
fn a_partition_that_the_output_does_not_have_is_refused_by_name() {
    let broker = EmbeddedBroker::start(&[("out", 1), ("other", 1), ("dead", 1)]).unwrap();
    let mut sink = sink_with(&broker, Partitioning::SameAsInput, &[]);
    let mut refused = Vec::new();
    // the first row makes the topic known
    sink.submit(span(1), &rows(0, &[b"a"]), &[], &mut refused).unwrap();
    settle(&mut sink, 1);
    sink.submit(span(2), &rows(3, &[b"b"]), &[], &mut refused).unwrap();
    assert!(refused[0].message.contains("\"out\" has no partition 3"), "{refused:?}");
}

#[test]
fn a_delivery_that_fails_is_told_with_its_reason() {
    let broker = EmbeddedBroker::start(&[("out", 1), ("other", 1), ("dead", 1)]).unwrap();
    let mut sink = sink_with(&broker, Partitioning::Key, &[]);
    let fail = |code| broker.cluster().request_errors(RDKafkaApiKey::Produce, &[code]);
    fail(RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD);
    sink.submit(span(1), &rows(0, &[b"a"]), &[], &mut Vec::new()).unwrap();
    let settled = settle(&mut sink, 1);
    assert!(matches!(&settled[..], [Settled::Failed { span: of, refused: true, .. }] if *of == span(1)), "{settled:?}");
    assert_eq!(sink.in_flight(), 0);
}

#[test]
fn a_span_that_is_partly_delivered_and_partly_not_is_settled_row_by_row() {
    let broker = EmbeddedBroker::start(&[("out", 1), ("other", 1), ("dead", 1)]).unwrap();
    // a request for each row: the first is refused
    let mut sink = sink_with(&broker, Partitioning::Key, &[("batch.num.messages", "1")]);
    let refuse = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD;
    broker.cluster().request_errors(RDKafkaApiKey::Produce, &[refuse]);
    sink.submit(span(1), &rows(0, &[b"a", b"b", b"c"]), &[], &mut Vec::new()).unwrap();
    let settled = settle(&mut sink, 3);
    let failed = settled.iter().filter(|one| matches!(one, Settled::Failed { .. })).count();
    let delivered: u32 =
        settled.iter().map(|one| if let Settled::Delivered(_, count) = one { *count } else { 0 }).sum();
    assert_eq!((failed, delivered, sink.in_flight()), (1, 2, 0), "{settled:?}");
    // indices are free again, each once
    for number in 2..4 {
        sink.submit(span(number), &rows(0, &[b"a"]), &[], &mut Vec::new()).unwrap();
    }
    let mut settled = settle(&mut sink, 2);
    settled.sort_by_key(|one| if let Settled::Delivered(span, _) = one { span.number } else { 0 });
    assert_eq!(settled, [Settled::Delivered(span(2), 1), Settled::Delivered(span(3), 1)]);
}
