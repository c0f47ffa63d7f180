//! What the other scenarios stand on holds by itself.

use anyhow::Result;
use edgemill_tests::{Broker, Record, program};

#[test]
fn what_is_produced_is_consumed_as_it_was() -> Result<()> {
    let broker = Broker::shared();
    let topic = broker.topic("harness", 2)?;
    let headers = vec![("a".to_owned(), Some(b"1".to_vec())), ("a".to_owned(), None)];
    let full = Record { key: Some(vec![0, 255]), headers, timestamp: Some(1_700_000_000_123), ..Record::of("x").to(1) };
    let null = Record { partition: Some(0), timestamp: Some(7), ..Record::default() };
    broker.produce(&topic, [full.clone(), null.clone(), Record::of("y").to(1)])?;

    let found = broker.consume(&topic)?;
    assert_eq!(found.iter().map(|r| (r.partition, r.offset)).collect::<Vec<_>>(), [(0, 0), (1, 0), (1, 1)]);
    assert_eq!((&found[0].key, &found[0].value, found[0].timestamp), (&None, &None, null.timestamp));
    assert_eq!((&found[1].key, &found[1].value), (&full.key, &full.value));
    assert_eq!((&found[1].headers, found[1].timestamp), (&full.headers, full.timestamp));
    assert_eq!(broker.ends(&topic)?, [1, 2]);
    assert_eq!(broker.committed("nobody", &topic)?, [None, None]);
    assert_eq!(broker.lag("nobody", &topic)?, 3);
    broker.delete_topic(&topic)
}

#[test]
fn a_broker_comes_back_with_its_data() -> Result<()> {
    let mut broker = Broker::start()?;
    broker.create_topic("kept", 1, &[("retention.ms", "-1")])?;
    broker.produce("kept", (0..1000).map(|n| Record::of(n.to_string())))?;
    broker.stop()?;
    broker.restart()?;
    assert_eq!(broker.consume("kept")?.len(), 1000);
    Ok(())
}

#[test]
fn a_command_that_ends_leaves_its_output_and_code() -> Result<()> {
    let ended = program::run(["--version"], b"")?;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    Ok(())
}
