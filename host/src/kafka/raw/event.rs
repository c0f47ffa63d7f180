//! What a client says: logs, errors, rebalances, commits and deliveries.

use super::describe::{self, SeenGroup, SeenTopic};
use super::ends::{self, EndAnswer};
use super::fetched::place;
use super::{Error, Handle, text};
use crate::record::Partition;
use rdkafka::bindings as rd;
use rdkafka::error::{IsError, RDKafkaErrorCode as Code};
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// What a client says.
pub(in crate::kafka) struct Event {
    event: NonNull<rd::rd_kafka_event_t>,
    _handle: Arc<Handle>,
}

/// See [`Event::read`].
pub(in crate::kafka) enum Said {
    Log {
        level: i32,
        facility: String,
        text: String,
    },
    Error {
        error: Error,
        fatal: bool,
    },
    Assigned(Vec<Partition>),
    Revoked(Vec<Partition>),
    /// What was asked for, and for each what went wrong.
    Committed(Vec<(Partition, i64, Option<Error>)>),
    /// What [`Handle::ask_ends`] asked for, as far as it was answered.
    Ends(Vec<EndAnswer>),
    /// What [`Handle::ask_cluster`] asked for: how many brokers there are.
    Cluster(Result<usize, Error>),
    /// What [`Handle::ask_topic`] asked for.
    Topic(Result<SeenTopic, Error>),
    /// What [`Handle::ask_group`] asked for.
    Group(Result<SeenGroup, Error>),
    /// See [`Event::deliveries`].
    Delivered,
    /// Messages on the group's queue, which their partitions' queues should have had.
    Stray(Vec<Partition>),
    Other,
}

/// What became of a row.
pub(in crate::kafka) struct Delivery {
    /// The row's own number.
    pub(in crate::kafka) opaque: usize,
    /// Bytes of key and value.
    pub(in crate::kafka) size: usize,
    /// Why it was not delivered, and to which topic.
    pub(in crate::kafka) failed: Option<(Code, String)>,
}

impl Event {
    /// # Safety
    /// The event must be one of the client's, and nobody else's.
    pub(super) unsafe fn new(event: NonNull<rd::rd_kafka_event_t>, handle: &Arc<Handle>) -> Self {
        Self { event, _handle: handle.clone() }
    }

    /// What it is.
    pub(in crate::kafka) fn read(&self) -> Said {
        let event = self.event.as_ptr();
        // SAFETY: the event is alive, here and below; each call fits the type of event
        match unsafe { rd::rd_kafka_event_type(event) } {
            rd::RD_KAFKA_EVENT_DR => Said::Delivered,
            rd::RD_KAFKA_EVENT_FETCH => {
                let places = self.messages().map(place);
                Said::Stray(places.collect())
            }
            rd::RD_KAFKA_EVENT_LOG => self.read_log(),
            rd::RD_KAFKA_EVENT_ERROR => {
                // SAFETY: see above
                let fatal = unsafe { rd::rd_kafka_event_error_is_fatal(event) != 0 };
                Said::Error { error: self.error(), fatal }
            }
            rd::RD_KAFKA_EVENT_REBALANCE => {
                let partitions = self.partitions().into_iter().map(|(partition, _, _)| partition).collect();
                if self.error().code == Code::AssignPartitions {
                    return Said::Assigned(partitions);
                }
                Said::Revoked(partitions)
            }
            rd::RD_KAFKA_EVENT_OFFSET_COMMIT => {
                let whole = self.whole().err();
                let answer = |(partition, offset, code): (Partition, i64, Option<Code>)| {
                    let own = code.map(|code| Error { code, text: code.to_string() });
                    (partition, offset, own.or_else(|| whole.clone()))
                };
                Said::Committed(self.partitions().into_iter().map(answer).collect())
            }
            // SAFETY: see above
            rd::RD_KAFKA_EVENT_LISTOFFSETS_RESULT => Said::Ends(unsafe { ends::read(event) }),
            rd::RD_KAFKA_EVENT_DESCRIBECLUSTER_RESULT => {
                // SAFETY: see above
                let cluster = |()| unsafe { describe::cluster(event) };
                Said::Cluster(self.whole().map(cluster))
            }
            rd::RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT => {
                // SAFETY: see above
                let topic = |()| unsafe { describe::topic(event) };
                Said::Topic(self.whole().and_then(topic))
            }
            rd::RD_KAFKA_EVENT_DESCRIBECONSUMERGROUPS_RESULT => {
                // SAFETY: see above
                let group = |()| unsafe { describe::group(event) };
                Said::Group(self.whole().and_then(group))
            }
            _ => Said::Other,
        }
    }

    /// What went wrong with all that was asked for.
    fn whole(&self) -> Result<(), Error> {
        Some(self.error()).filter(|error| error.code != Code::NoError).map_or(Ok(()), Err)
    }

    /// Each delivery report.
    pub(in crate::kafka) fn deliveries(&self) -> impl Iterator<Item = Delivery> {
        self.messages().map(|message| Delivery {
            opaque: message._private as usize,
            size: message.len + message.key_len,
            failed: message.err.is_error().then(|| (message.err.into(), place(message).topic)),
        })
    }

    fn messages(&self) -> impl Iterator<Item = &rd::rd_kafka_message_t> {
        // SAFETY: the event is alive and holds messages, which live as long as it does
        std::iter::from_fn(|| unsafe { rd::rd_kafka_event_message_next(self.event.as_ptr()).as_ref() })
    }

    fn error(&self) -> Error {
        // SAFETY: the event is alive
        let code: Code = unsafe { rd::rd_kafka_event_error(self.event.as_ptr()) }.into();
        // SAFETY: as above; the text lives as long as the event
        let text = unsafe { text(rd::rd_kafka_event_error_string(self.event.as_ptr())) };
        Error { code, text }
    }

    fn read_log(&self) -> Said {
        let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the event is a log line's; the texts live as long as it does
        let (facility, line) = unsafe {
            rd::rd_kafka_event_log(self.event.as_ptr(), &mut facility, &mut line, &mut level);
            (text(facility), text(line))
        };
        Said::Log { level, facility, text: line }
    }

    /// Each with its offset and what went wrong.
    fn partitions(&self) -> Vec<(Partition, i64, Option<Code>)> {
        // SAFETY: the event is alive
        let list = unsafe { rd::rd_kafka_event_topic_partition_list(self.event.as_ptr()) };
        // SAFETY: the list is null or lives as long as the event
        let Some(list) = (unsafe { list.as_ref() }) else { return Vec::new() };
        let count = usize::try_from(list.cnt).unwrap_or(0);
        let elements = match count {
            0 => &[],
            // SAFETY: the list has so many elements
            _ => unsafe { std::slice::from_raw_parts(list.elems, count) },
        };
        let partition = |element: &rd::rd_kafka_topic_partition_t| Partition {
            // SAFETY: every element has a topic
            topic: unsafe { text(element.topic) },
            number: element.partition,
        };
        let failed = |element: &rd::rd_kafka_topic_partition_t| element.err.is_error().then(|| element.err.into());
        elements.iter().map(|element| (partition(element), element.offset, failed(element))).collect()
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the event is ours
        unsafe { rd::rd_kafka_event_destroy(self.event.as_ptr()) }
    }
}
