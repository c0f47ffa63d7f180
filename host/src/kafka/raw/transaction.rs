//! A producer's transactions. Every call has a limit, and is resumed by calling it again when it says so.

use super::{Error, Handle, millis, text};
use rdkafka::TopicPartitionList;
use rdkafka::bindings as rd;
use rdkafka::error::RDKafkaErrorCode as Code;
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// What a failed call of a transaction asks for.
#[derive(Clone, Debug)]
pub(in crate::kafka) enum Failed {
    /// Calling it again.
    Again(Error),
    /// Aborting the transaction.
    Abort(Error),
    /// Another producer has taken the transactional id over.
    Fenced(Error),
    /// Another producer object.
    Fatal(Error),
}

/// Offsets on their way into a transaction. Whoever drops it leaves the call alone with the client, which lives until
/// the call has come back.
pub(in crate::kafka) struct Sending(Receiver<Result<(), Failed>>);

impl Sending {
    /// What became of them; none when that is not known after so long.
    pub(in crate::kafka) fn wait(&self, limit: Duration) -> Option<Result<(), Failed>> {
        match self.0.recv_timeout(limit) {
            Ok(outcome) => Some(outcome),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => unreachable!("the call answers once"),
        }
    }
}

impl Handle {
    /// Takes the transactional id over from whoever had it, and ends its transaction. Blocks.
    pub(in crate::kafka) fn init_transactions(&self, limit: Duration) -> Result<(), Failed> {
        // SAFETY: the client is alive, here and below
        judge(unsafe { rd::rd_kafka_init_transactions(self.rk(), millis(limit)) })
    }

    /// Begins a transaction: everything that is produced from here on belongs to it.
    pub(in crate::kafka) fn begin_transaction(&self) -> Result<(), Failed> {
        // SAFETY: see above
        judge(unsafe { rd::rd_kafka_begin_transaction(self.rk()) })
    }

    /// Begins to add a group's offsets to the transaction. `member` is what [`Handle::member`] of the consumer said.
    ///
    /// The call has a thread of its own, since librdkafka does not keep its limit: while the group's coordinator cannot be
    /// found it comes back when some broker's connection changes, or never (librdkafka's issues 5456 and 5511).
    ///
    /// # Errors
    /// There is no thread to be had: the transaction must be aborted.
    pub(in crate::kafka) fn send_offsets(
        self: &Arc<Self>,
        list: TopicPartitionList,
        member: Vec<u8>,
        limit: Duration,
    ) -> Result<Sending, Failed> {
        let (outcome, receiver) = sync_channel(1);
        let client = self.clone();
        let call = move || {
            // who has gone does not want to know
            let _ = outcome.send(client.send_offsets_and_wait(&list, &member, limit));
        };
        match thread::Builder::new().name("offsets".to_owned()).spawn(call) {
            Ok(_) => Ok(Sending(receiver)),
            Err(error) => Err(Failed::Abort(Error { code: Code::CriticalSystemResource, text: error.to_string() })),
        }
    }

    fn send_offsets_and_wait(&self, list: &TopicPartitionList, member: &[u8], limit: Duration) -> Result<(), Failed> {
        let mut metadata = ptr::null_mut();
        let bytes = member.as_ptr().cast::<c_void>();
        // SAFETY: the bytes are alive while they are read; the metadata is ours until it is destroyed
        unsafe {
            let unread = rd::rd_kafka_consumer_group_metadata_read(&mut metadata, bytes, member.len());
            judge(unread)?;
            let outcome = rd::rd_kafka_send_offsets_to_transaction(self.rk(), list.ptr(), metadata, millis(limit));
            rd::rd_kafka_consumer_group_metadata_destroy(metadata);
            judge(outcome)
        }
    }

    /// Commits the transaction. Every row must have come back before. Blocks.
    pub(in crate::kafka) fn commit_transaction(&self, limit: Duration) -> Result<(), Failed> {
        // SAFETY: see above
        judge(unsafe { rd::rd_kafka_commit_transaction(self.rk(), millis(limit)) })
    }

    /// Aborts the transaction and throws away what has not been delivered. The client's queue must be served between two
    /// tries, since thrown-away rows come back as events. Blocks.
    pub(in crate::kafka) fn abort_transaction(&self, limit: Duration) -> Result<(), Failed> {
        // SAFETY: see above
        judge(unsafe { rd::rd_kafka_abort_transaction(self.rk(), millis(limit)) })
    }

    /// Who this consumer is in its group, as a producer wants it; none without a group.
    pub(in crate::kafka) fn member(&self) -> Option<Vec<u8>> {
        // SAFETY: the client is alive; metadata and buffer are ours until they are destroyed and freed
        unsafe {
            let metadata = rd::rd_kafka_consumer_group_metadata(self.rk());
            if metadata.is_null() {
                return None;
            }
            let (mut buffer, mut size) = (ptr::null_mut(), 0);
            let unwritten = rd::rd_kafka_consumer_group_metadata_write(metadata, &mut buffer, &mut size);
            rd::rd_kafka_consumer_group_metadata_destroy(metadata);
            judge(unwritten).ok()?;
            let bytes = std::slice::from_raw_parts(buffer.cast::<u8>(), size).to_vec();
            rd::rd_kafka_mem_free(self.rk(), buffer);
            Some(bytes)
        }
    }
}

fn judge(error: *mut rd::rd_kafka_error_t) -> Result<(), Failed> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the error is ours, and read before it is destroyed
    let (code, text, fatal, again, abort) = unsafe {
        let code: Code = rd::rd_kafka_error_code(error).into();
        let text = text(rd::rd_kafka_error_string(error));
        let fatal = rd::rd_kafka_error_is_fatal(error) != 0;
        let again = rd::rd_kafka_error_is_retriable(error) != 0;
        let abort = rd::rd_kafka_error_txn_requires_abort(error) != 0;
        rd::rd_kafka_error_destroy(error);
        (code, text, fatal, again, abort)
    };
    let error = Error { code, text };
    Err(match code {
        _ if error.is_fenced() => Failed::Fenced(error),
        _ if fatal => Failed::Fatal(error),
        _ if abort => Failed::Abort(error),
        _ if again => Failed::Again(error),
        _ => Failed::Fatal(error),
    })
}
