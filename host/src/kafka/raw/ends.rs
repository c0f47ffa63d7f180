//! Questions for the ends of partitions that nobody waits for: the answers come as events.

use super::{Error, Handle, Queue, millis, take};
use crate::record::Partition;
use rdkafka::TopicPartitionList;
use rdkafka::bindings as rd;
use rdkafka::error::{IsError, RDKafkaErrorCode as Code};
use std::ffi::CStr;
use std::ptr;
use std::time::Duration;

/// What became of a partition's question: an offset, or why there is none.
pub(in crate::kafka) type EndAnswer = (Partition, Result<i64, Code>);

impl Handle {
    /// Asks for what the list's logical offsets stand for. `stable`: the end is in front of open transactions, as it is for
    /// those who read committed records only.
    pub(in crate::kafka) fn ask_ends(
        &self,
        list: &TopicPartitionList,
        stable: bool,
        limit: Duration,
        answers: &Queue,
    ) -> Result<(), Error> {
        let level = match stable {
            true => rd::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
            false => rd::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED,
        };
        let operation = rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS;
        // SAFETY: client, list and queue are alive; the options are ours until they are destroyed, after the call has copied them
        unsafe {
            let options = rd::rd_kafka_AdminOptions_new(self.rk(), operation);
            rd::rd_kafka_AdminOptions_set_request_timeout(options, millis(limit), ptr::null_mut(), 0);
            let set = take(rd::rd_kafka_AdminOptions_set_isolation_level(options, level));
            if set.is_ok() {
                rd::rd_kafka_ListOffsets(self.rk(), list.ptr(), options, answers.queue.as_ptr());
            }
            rd::rd_kafka_AdminOptions_destroy(options);
            set
        }
    }
}

/// Reads the answers of an event. Partitions whose leader did not answer are left out, or have an error.
///
/// # Safety
/// The event must be alive, and a result of [`Handle::ask_ends`].
pub(super) unsafe fn read(event: *mut rd::rd_kafka_event_t) -> Vec<EndAnswer> {
    let mut answers = Vec::new();
    // SAFETY: the caller's
    let result = unsafe { rd::rd_kafka_event_ListOffsets_result(event) };
    if result.is_null() {
        return answers;
    }
    let mut count = 0;
    // SAFETY: the result lives as long as the event
    let infos = unsafe { rd::rd_kafka_ListOffsets_result_infos(result, &mut count) };
    for index in 0..count {
        // SAFETY: the array has so many elements, each with a partition, which live as long as the result
        let (topic, partition) = unsafe {
            let partition = &*rd::rd_kafka_ListOffsetsResultInfo_topic_partition(*infos.add(index));
            (CStr::from_ptr(partition.topic).to_string_lossy().into_owned(), partition)
        };
        let answer = match partition.err.is_error() {
            true => Err(partition.err.into()),
            // librdkafka leaves the offset of a leader that did not answer as it was, without an error
            false if partition.offset < 0 => Err(Code::OperationTimedOut),
            false => Ok(partition.offset),
        };
        answers.push((Partition { topic, number: partition.partition }, answer));
    }
    answers
}
