//! Questions about a cluster, its topics and groups, and what the user may do with them: the answers come as events.

use super::{Error, Handle, Queue, millis, take, text};
use rd::rd_kafka_AclOperation_t as Operation;
use rd::rd_kafka_admin_op_t as Question;
use rdkafka::bindings as rd;
use rdkafka::error::RDKafkaErrorCode as Code;
use std::ffi::{CString, c_char};
use std::ptr::{self, NonNull};
use std::time::Duration;

/// What the user may do; none where the cluster does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::kafka) struct Rights(Option<Vec<u32>>);

impl Rights {
    /// Whether reading is allowed, where that is known.
    pub(in crate::kafka) fn read(&self) -> Option<bool> {
        self.has(Operation::RD_KAFKA_ACL_OPERATION_READ)
    }

    /// Whether writing is allowed, where that is known.
    pub(in crate::kafka) fn write(&self) -> Option<bool> {
        self.has(Operation::RD_KAFKA_ACL_OPERATION_WRITE)
    }

    fn has(&self, operation: Operation) -> Option<bool> {
        self.0.as_ref().map(|all| all.contains(&(operation as u32)))
    }

    /// # Safety
    /// `operations` must be null or an array of so many.
    unsafe fn new(operations: *const Operation, count: usize) -> Self {
        // read as numbers: a later librdkafka may know others
        let numbers = operations.cast::<u32>();
        // SAFETY: the caller's
        Self((!numbers.is_null()).then(|| unsafe { std::slice::from_raw_parts(numbers, count) }.to_vec()))
    }
}

/// A topic as the cluster describes it.
#[derive(Clone, Debug)]
pub(in crate::kafka) struct SeenTopic {
    pub(in crate::kafka) partitions: Vec<i32>,
    /// Those that nobody leads.
    pub(in crate::kafka) leaderless: Vec<i32>,
    pub(in crate::kafka) rights: Rights,
}

/// A group as its coordinator describes it.
#[derive(Clone, Debug)]
pub(in crate::kafka) struct SeenGroup {
    pub(in crate::kafka) members: usize,
    pub(in crate::kafka) rights: Rights,
}

impl Handle {
    /// Asks who the brokers are: their number is the answer.
    pub(in crate::kafka) fn ask_cluster(&self, limit: Duration, answers: &Queue) {
        let options = Options::new(self, Question::RD_KAFKA_ADMIN_OP_DESCRIBECLUSTER, limit);
        // SAFETY: client, options and queue are alive
        unsafe { rd::rd_kafka_DescribeCluster(self.rk(), options.0.as_ptr(), answers.queue.as_ptr()) }
    }

    /// Asks for a topic, which is not made where there is none.
    pub(in crate::kafka) fn ask_topic(&self, name: &str, limit: Duration, answers: &Queue) {
        let Ok(name) = CString::new(name) else { return };
        let mut names = [name.as_ptr()];
        let options = Options::new(self, Question::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, limit).with_rights();
        // SAFETY: all are alive; the call copies the collection, which is ours
        unsafe {
            let topics = rd::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
            rd::rd_kafka_DescribeTopics(self.rk(), topics, options.0.as_ptr(), answers.queue.as_ptr());
            rd::rd_kafka_TopicCollection_destroy(topics);
        }
    }

    /// Asks for a group.
    pub(in crate::kafka) fn ask_group(&self, name: &str, limit: Duration, answers: &Queue) {
        let Ok(name) = CString::new(name) else { return };
        let mut names: [*const c_char; 1] = [name.as_ptr()];
        let options = Options::new(self, Question::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, limit).with_rights();
        let (names, count, queue) = (names.as_mut_ptr(), names.len(), answers.queue.as_ptr());
        // SAFETY: all are alive; the call copies the names
        unsafe { rd::rd_kafka_DescribeConsumerGroups(self.rk(), names, count, options.0.as_ptr(), queue) }
    }
}

/// How a question is asked.
struct Options(NonNull<rd::rd_kafka_AdminOptions_t>);

impl Options {
    fn new(handle: &Handle, question: Question, limit: Duration) -> Self {
        // SAFETY: the client is alive; the options are ours until they are dropped
        let options = unsafe { rd::rd_kafka_AdminOptions_new(handle.rk(), question) };
        let options = Self(NonNull::new(options).expect("librdkafka knows its own questions"));
        // SAFETY: the options are alive; a limit that is out of range leaves librdkafka's own, a minute
        unsafe {
            rd::rd_kafka_AdminOptions_set_request_timeout(options.0.as_ptr(), millis(limit), ptr::null_mut(), 0);
        }
        options
    }

    fn with_rights(self) -> Self {
        // SAFETY: the options are alive; where rights cannot be asked for, the answer is without them
        let _ = take(unsafe { rd::rd_kafka_AdminOptions_set_include_authorized_operations(self.0.as_ptr(), 1) });
        self
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: the options are ours
        unsafe { rd::rd_kafka_AdminOptions_destroy(self.0.as_ptr()) }
    }
}

/// Reads how many brokers answer for the cluster.
///
/// # Safety
/// The event must be alive, and an answer to [`Handle::ask_cluster`].
pub(super) unsafe fn cluster(event: *mut rd::rd_kafka_event_t) -> usize {
    let mut count = 0;
    // SAFETY: the caller's; the result lives as long as the event
    unsafe {
        let result = rd::rd_kafka_event_DescribeCluster_result(event);
        rd::rd_kafka_DescribeCluster_result_nodes(result, &mut count);
    }
    count
}

/// Reads the one topic of an answer.
///
/// # Safety
/// The event must be alive, and an answer to [`Handle::ask_topic`] without an error.
pub(super) unsafe fn topic(event: *mut rd::rd_kafka_event_t) -> Result<SeenTopic, Error> {
    let mut count = 0;
    // SAFETY: the caller's, here and below; everything lives as long as the event
    let topics = unsafe {
        rd::rd_kafka_DescribeTopics_result_topics(rd::rd_kafka_event_DescribeTopics_result(event), &mut count)
    };
    if count == 0 {
        return Err(nothing());
    }
    // SAFETY: the array has one at least
    let topic = unsafe { *topics };
    // SAFETY: see above; the arrays have as many elements as they say
    unsafe {
        error(rd::rd_kafka_TopicDescription_error(topic))?;
        let found = rd::rd_kafka_TopicDescription_partitions(topic, &mut count);
        let (mut partitions, mut leaderless) = (Vec::new(), Vec::new());
        for index in 0..count {
            let partition = *found.add(index);
            let number = rd::rd_kafka_TopicPartitionInfo_partition(partition);
            partitions.push(number);
            if rd::rd_kafka_TopicPartitionInfo_leader(partition).is_null() {
                leaderless.push(number);
            }
        }
        let operations = rd::rd_kafka_TopicDescription_authorized_operations(topic, &mut count);
        Ok(SeenTopic { partitions, leaderless, rights: Rights::new(operations, count) })
    }
}

/// Reads the one group of an answer.
///
/// # Safety
/// The event must be alive, and an answer to [`Handle::ask_group`] without an error.
pub(super) unsafe fn group(event: *mut rd::rd_kafka_event_t) -> Result<SeenGroup, Error> {
    let mut count = 0;
    // SAFETY: the caller's, here and below; everything lives as long as the event
    let groups = unsafe {
        let result = rd::rd_kafka_event_DescribeConsumerGroups_result(event);
        rd::rd_kafka_DescribeConsumerGroups_result_groups(result, &mut count)
    };
    if count == 0 {
        return Err(nothing());
    }
    // SAFETY: the array has one at least
    let group = unsafe { *groups };
    // SAFETY: see above
    unsafe {
        error(rd::rd_kafka_ConsumerGroupDescription_error(group))?;
        let members = rd::rd_kafka_ConsumerGroupDescription_member_count(group);
        let operations = rd::rd_kafka_ConsumerGroupDescription_authorized_operations(group, &mut count);
        Ok(SeenGroup { members, rights: Rights::new(operations, count) })
    }
}

fn nothing() -> Error {
    Error { code: Code::Fail, text: "the answer has nothing in it".to_owned() }
}

/// # Safety
/// The error must be null or alive.
unsafe fn error(error: *const rd::rd_kafka_error_t) -> Result<(), Error> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: not null, so alive
    let (code, text) = unsafe { (rd::rd_kafka_error_code(error).into(), text(rd::rd_kafka_error_string(error))) };
    match code {
        Code::NoError => Ok(()),
        code => Err(Error { code, text }),
    }
}
