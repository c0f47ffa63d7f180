//! librdkafka's calls, made safe: clients, queues and events. Knows neither lanes nor spans.

mod bare;
mod describe;
mod ends;
mod event;
mod fetched;
mod slab;
mod topic;
mod transaction;

pub(super) use describe::{Rights, SeenGroup, SeenTopic};
pub(super) use event::{Delivery, Event, Said};
pub(super) use fetched::Tap;
pub(super) use slab::Slab;
pub(super) use topic::{Row, Topic};
pub(super) use transaction::{Failed, Sending};

use crate::record::Partition;
use crate::wake::Wake;
pub use bare::is_bare;
use rdkafka::TopicPartitionList;
use rdkafka::bindings as rd;
use rdkafka::client::{Client, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::error::{IsError, KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::groups::GroupList;
use rdkafka::metadata::Metadata;
use rdkafka::types::{RDKafka, RDKafkaType};
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// An error as librdkafka tells it.
#[derive(Clone, Debug)]
pub(super) struct Error {
    pub(super) code: Code,
    pub(super) text: String,
}

impl Error {
    /// Whether another client has taken over the id that this one works under.
    pub(super) fn is_fenced(&self) -> bool {
        matches!(self.code, Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch | Code::FencedInstanceId)
    }
}

/// How the group moves partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// All are taken, then given again.
    Eager,
    /// Only those that move are taken.
    Cooperative,
}

/// A client of either kind. Whatever belongs to librdkafka's client keeps one of these, since it must be gone first.
pub(super) struct Handle {
    client: Client<DefaultClientContext>,
    /// Values of rows that nobody waits for any more, but the client: it is dropped before them.
    kept: Mutex<Vec<Vec<u8>>>,
}

impl Handle {
    /// A consumer: everything it has to say comes out of [`Handle::events`].
    pub(super) fn consumer(config: &ClientConfig) -> KafkaResult<Arc<Self>> {
        let events = rd::RD_KAFKA_EVENT_REBALANCE | rd::RD_KAFKA_EVENT_OFFSET_COMMIT | rd::RD_KAFKA_EVENT_ERROR;
        let handle = Self::new(config, RDKafkaType::RD_KAFKA_CONSUMER, events)?;
        // SAFETY: the client is alive
        unsafe { rd::rd_kafka_poll_set_consumer(handle.rk()) };
        Ok(handle)
    }

    /// A producer: everything it has to say comes out of [`Handle::events`].
    pub(super) fn producer(config: &ClientConfig) -> KafkaResult<Arc<Self>> {
        let events = rd::RD_KAFKA_EVENT_DR | rd::RD_KAFKA_EVENT_ERROR;
        Self::new(config, RDKafkaType::RD_KAFKA_PRODUCER, events)
    }

    fn new(config: &ClientConfig, kind: RDKafkaType, events: i32) -> KafkaResult<Arc<Self>> {
        let native = config.create_native_config()?;
        // SAFETY: the configuration is alive, and `Client::new` takes it over
        unsafe {
            rd::rd_kafka_conf_set_events(native.ptr(), events);
            rd::rd_kafka_conf_set_log_cb(native.ptr(), Some(say_nothing));
        }
        let client = Client::new(config, native, kind, DefaultClientContext)?;
        Ok(Arc::new(Self { client, kept: Mutex::default() }))
    }

    /// Keeps values for as long as the client lives.
    fn keep(&self, values: Vec<u8>) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(values);
    }

    fn rk(&self) -> *mut RDKafka {
        self.client.native_ptr()
    }

    /// The queue of the client's events; for a consumer that of its group.
    pub(super) fn events(self: &Arc<Self>, bell: Arc<Bell>) -> Queue {
        // SAFETY: the client is alive; a consumer has a group, without one the main queue is as good
        let queue = unsafe {
            let group = rd::rd_kafka_queue_get_consumer(self.rk());
            if group.is_null() { rd::rd_kafka_queue_get_main(self.rk()) } else { group }
        };
        Queue::new(self, queue, Some(bell)).expect("every client has a main queue")
    }

    /// The same queue, for those who do not wait for it.
    pub(super) fn events_unheard(self: &Arc<Self>) -> Queue {
        // SAFETY: the client is alive
        let queue = unsafe { rd::rd_kafka_queue_get_main(self.rk()) };
        Queue::new(self, queue, None).expect("every client has a main queue")
    }

    /// The queue of a partition's messages, cut off from the group's. It stays cut off for as long as the client lives,
    /// also in later assignments, because librdkafka then forwards no more (`RD_KAFKA_Q_F_FWD_APP`): so it must be taken
    /// before the partition is assigned.
    fn partition(self: &Arc<Self>, partition: &Partition, bell: Arc<Bell>) -> Option<Queue> {
        let topic = CString::new(partition.topic.as_str()).ok()?;
        // SAFETY: client and name are alive
        let queue = unsafe { rd::rd_kafka_queue_get_partition(self.rk(), topic.as_ptr(), partition.number) };
        let queue = Queue::new(self, queue, Some(bell))?;
        // SAFETY: the queue is alive; null cuts the forwarding
        unsafe { rd::rd_kafka_queue_forward(queue.queue.as_ptr(), ptr::null_mut()) };
        Some(queue)
    }

    /// A topic to produce to.
    pub(super) fn topic(self: &Arc<Self>, name: &str) -> Result<Topic, Error> {
        Topic::new(self, name)
    }

    /// Joins the group.
    pub(super) fn subscribe(&self, topics: &[String]) -> Result<(), Error> {
        let mut list = TopicPartitionList::new();
        for topic in topics {
            list.add_topic_unassigned(topic);
        }
        // SAFETY: client and list are alive
        check(unsafe { rd::rd_kafka_subscribe(self.rk(), list.ptr()) })
    }

    /// How the group moves partitions.
    pub(super) fn protocol(&self) -> Protocol {
        // SAFETY: the client is alive; the answer is null or a static string
        let name = unsafe { rd::rd_kafka_rebalance_protocol(self.rk()) };
        // SAFETY: as above
        if !name.is_null() && unsafe { CStr::from_ptr(name) }.to_bytes() == b"COOPERATIVE" {
            return Protocol::Cooperative;
        }
        Protocol::Eager
    }

    /// Whether the assignment that is being revoked has gone to others already.
    pub(super) fn assignment_lost(&self) -> bool {
        // SAFETY: the client is alive
        unsafe { rd::rd_kafka_assignment_lost(self.rk()) != 0 }
    }

    /// Answers an assignment.
    pub(super) fn assign(&self, list: &TopicPartitionList) -> Result<(), Error> {
        match self.protocol() {
            // SAFETY: client and list are alive
            Protocol::Cooperative => take(unsafe { rd::rd_kafka_incremental_assign(self.rk(), list.ptr()) }),
            // SAFETY: as above
            Protocol::Eager => check(unsafe { rd::rd_kafka_assign(self.rk(), list.ptr()) }),
        }
    }

    /// Answers a revocation.
    pub(super) fn unassign(&self, list: &TopicPartitionList) -> Result<(), Error> {
        match self.protocol() {
            // SAFETY: client and list are alive
            Protocol::Cooperative => take(unsafe { rd::rd_kafka_incremental_unassign(self.rk(), list.ptr()) }),
            // SAFETY: the client is alive; null ends the assignment
            Protocol::Eager => check(unsafe { rd::rd_kafka_assign(self.rk(), ptr::null()) }),
        }
    }

    /// Fills in the group's committed offsets. Blocks.
    pub(super) fn committed(&self, list: &TopicPartitionList, limit: Duration) -> Result<(), Error> {
        // SAFETY: client and list are alive
        check(unsafe { rd::rd_kafka_committed(self.rk(), list.ptr(), millis(limit)) })
    }

    /// Replaces times by offsets. Blocks.
    pub(super) fn offsets_for_times(&self, list: &TopicPartitionList, limit: Duration) -> Result<(), Error> {
        // SAFETY: client and list are alive
        check(unsafe { rd::rd_kafka_offsets_for_times(self.rk(), list.ptr(), millis(limit)) })
    }

    /// Fetches from other offsets. What was fetched before is outdated as soon as this is called: librdkafka drops it
    /// while its queue is read. Blocks until it is done.
    pub(super) fn seek(&self, list: &TopicPartitionList, limit: Duration) -> Result<(), Error> {
        // SAFETY: client and list are alive
        take(unsafe { rd::rd_kafka_seek_partitions(self.rk(), list.ptr(), millis(limit)) })
    }

    /// Fills in the offsets behind the messages that were handed out; control records count.
    pub(super) fn position(&self, list: &TopicPartitionList) -> Result<(), Error> {
        // SAFETY: client and list are alive
        check(unsafe { rd::rd_kafka_position(self.rk(), list.ptr()) })
    }

    /// The end of a partition as the last fetch told it.
    pub(super) fn known_end(&self, partition: &Partition) -> Option<i64> {
        let topic = CString::new(partition.topic.as_str()).ok()?;
        let (mut low, mut high) = (-1, -1);
        // SAFETY: client, name and numbers are alive
        let code = unsafe {
            rd::rd_kafka_get_watermark_offsets(self.rk(), topic.as_ptr(), partition.number, &mut low, &mut high)
        };
        (!code.is_error() && high >= 0).then_some(high)
    }

    /// Commits; the answer comes as an event of `answers`.
    pub(super) fn commit(&self, list: &TopicPartitionList, answers: &Queue) -> Result<(), Error> {
        let queue = answers.queue.as_ptr();
        // SAFETY: client, list and queue are alive; without a callback the answer is an event
        check(unsafe { rd::rd_kafka_commit_queue(self.rk(), list.ptr(), queue, None, ptr::null_mut()) })
    }

    /// A queue of the caller's own.
    pub(super) fn queue(self: &Arc<Self>) -> Queue {
        // SAFETY: the client is alive
        Queue::new(self, unsafe { rd::rd_kafka_queue_new(self.rk()) }, None).expect("memory for a queue")
    }

    /// Gives the subscription up, and with it the membership.
    pub(super) fn unsubscribe(&self) -> Result<(), Error> {
        // SAFETY: the client is alive
        check(unsafe { rd::rd_kafka_unsubscribe(self.rk()) })
    }

    /// Begins to leave the group; `queue` must be polled until [`Handle::is_closed`].
    pub(super) fn close(&self, queue: &Queue) -> Result<(), Error> {
        // SAFETY: client and queue are alive
        take(unsafe { rd::rd_kafka_consumer_close_queue(self.rk(), queue.queue.as_ptr()) })
    }

    /// Whether the group has been left.
    pub(super) fn is_closed(&self) -> bool {
        // SAFETY: the client is alive
        unsafe { rd::rd_kafka_consumer_closed(self.rk()) == 1 }
    }

    /// What ended the client for good, if something did.
    pub(super) fn fatal(&self) -> Option<Error> {
        self.client.fatal_error().map(|(code, text)| Error { code, text })
    }

    /// Ends all lingering of a producer's rows for so long, or until none is left. Blocks meanwhile.
    pub(super) fn flush(&self, limit: Duration) {
        // SAFETY: the client is alive. That rows are left is no failure: their deliveries come as events
        unsafe { rd::rd_kafka_flush(self.rk(), millis(limit)) };
    }

    /// Asks the cluster about one topic or all. Blocks.
    pub(super) fn metadata(&self, topic: Option<&str>, limit: Duration) -> Result<Metadata, Error> {
        self.client.fetch_metadata(topic, limit).map_err(Error::from)
    }

    /// Asks the cluster about a group. Blocks.
    pub(super) fn group(&self, name: &str, limit: Duration) -> Result<GroupList, Error> {
        self.client.fetch_group_list(Some(name), limit).map_err(Error::from)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // A transactional producer is never destroyed with requests on their way: librdkafka 2.12 frees the text of its last
        // error (`rd_kafka_txns_term`) before its threads have ended, and one that hears of being fenced frees it again.
        let all = rd::RD_KAFKA_PURGE_F_QUEUE | rd::RD_KAFKA_PURGE_F_INFLIGHT;
        // SAFETY: the client is alive until its field is dropped; a consumer has nothing to purge, and says so
        unsafe { rd::rd_kafka_purge(self.rk(), all) };
    }
}

/// Rung by librdkafka's threads when a queue has something.
pub(super) struct Bell {
    rung: AtomicBool,
    wake: Wake,
}

impl Bell {
    /// One that has been rung, since there may be something already.
    pub(super) fn new(wake: Wake) -> Arc<Self> {
        Arc::new(Self { rung: AtomicBool::new(true), wake })
    }

    /// Whether it was rung since it was last asked.
    pub(super) fn take(&self) -> bool {
        self.rung.load(Ordering::Relaxed) && self.rung.swap(false, Ordering::Acquire)
    }

    fn ring(&self) {
        if !self.rung.swap(true, Ordering::Release) {
            self.wake.wake();
        }
    }
}

/// Log lines are events; those that come while a client is destroyed would be printed otherwise.
unsafe extern "C" fn say_nothing(_: *const RDKafka, _: i32, _: *const c_char, _: *const c_char) {}

unsafe extern "C" fn ring(_: *mut RDKafka, bell: *mut c_void) {
    // SAFETY: the queue was given a `Bell` that it keeps until it has taken this callback back
    unsafe { &*bell.cast::<Bell>() }.ring();
}

/// A queue of librdkafka's.
pub(super) struct Queue {
    queue: NonNull<rd::rd_kafka_queue_t>,
    bell: Option<Arc<Bell>>,
    handle: Arc<Handle>,
}

// SAFETY: librdkafka's queues may be used from any thread
unsafe impl Send for Queue {}

impl Queue {
    fn new(handle: &Arc<Handle>, queue: *mut rd::rd_kafka_queue_t, bell: Option<Arc<Bell>>) -> Option<Self> {
        let queue = Self { queue: NonNull::new(queue)?, bell, handle: handle.clone() };
        if let Some(bell) = &queue.bell {
            // SAFETY: the bell lives until `drop` has taken the callback back. librdkafka calls it under the queue's lock
            unsafe {
                let bell = Arc::as_ptr(bell).cast_mut().cast();
                rd::rd_kafka_queue_cb_event_enable(queue.queue.as_ptr(), Some(ring), bell);
            }
        }
        Some(queue)
    }

    /// The next event.
    pub(super) fn poll(&self, limit: Duration) -> Option<Event> {
        // SAFETY: the queue is alive
        let event = NonNull::new(unsafe { rd::rd_kafka_queue_poll(self.queue.as_ptr(), millis(limit)) })?;
        // SAFETY: the event is ours
        Some(unsafe { Event::new(event, &self.handle) })
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the queue is alive; under its lock the callback is taken back before the bell goes
        unsafe {
            if self.bell.is_some() {
                rd::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            }
            rd::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

impl From<KafkaError> for Error {
    fn from(error: KafkaError) -> Self {
        let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
        Self { code, text: error.to_string() }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

fn check(code: rd::rd_kafka_resp_err_t) -> Result<(), Error> {
    if !code.is_error() {
        return Ok(());
    }
    let code = Code::from(code);
    Err(Error { code, text: code.to_string() })
}

fn take(error: *mut rd::rd_kafka_error_t) -> Result<(), Error> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the error is ours, and read before it is destroyed
    unsafe {
        let code = rd::rd_kafka_error_code(error).into();
        let text = text(rd::rd_kafka_error_string(error));
        rd::rd_kafka_error_destroy(error);
        Err(Error { code, text })
    }
}

fn millis(limit: Duration) -> i32 {
    i32::try_from(limit.as_millis()).unwrap_or(i32::MAX)
}

/// A C string, copied.
///
/// # Safety
/// It must be null or alive.
unsafe fn text(string: *const c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: not null, so alive
    unsafe { CStr::from_ptr(string) }.to_string_lossy().trim().to_owned()
}
