//! The better native loop: librdkafka's own calls, a batch at a time where it has such calls.

use std::ffi::{CStr, CString, c_int, c_void};
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use edgemill::kafka::is_bare;
use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};

use super::delivery::{Epochs, Outstanding};
use super::safe::commit;
use super::step::Step;
use super::{COMMIT_INTERVAL, Options};

/// Messages taken from the consumer at once.
const BATCH: usize = 1024;

/// Messages that the producer holds at most: librdkafka's default.
const QUEUE: c_int = 100_000;

/// The partition that lets the partitioner choose (`RD_KAFKA_PARTITION_UA`).
const UNASSIGNED: i32 = -1;

/// How outputs are produced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Produce {
    /// By `rd_kafka_produceva`, with timestamp and headers.
    Va,
    /// By `rd_kafka_produce_batch`, without.
    Batch,
}

pub(super) fn run(options: &Options, index: i32, mut step: Step, stop: &AtomicBool, produce: Produce) -> Result<()> {
    let (consumer, lanes) = super::consumer(options, index)?;
    let queue = Queue::new(&consumer, options, &lanes)?;
    let producer = Producer::new(options)?;
    let mut batch = Batch::new();
    let mut outputs = Outputs::default();
    let mut epochs = Epochs::new();
    let mut positions = vec![-1; options.partitions as usize];
    let mut due = Instant::now() + COMMIT_INTERVAL;
    while !stop.load(Ordering::Relaxed) {
        queue.fill(&mut batch);
        for message in batch.messages() {
            ensure!(
                message.err == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
                "consuming: {:?}",
                message.err
            );
            // SAFETY: the message is valid until the batch is filled again.
            let value = step.apply(unsafe { bytes(message.payload, message.len) })?;
            match produce {
                Produce::Va => producer.send(message, value, epochs.current())?,
                Produce::Batch => outputs.push(message, value, epochs.current()),
            }
            positions[message.partition as usize] = message.offset + 1;
        }
        if produce == Produce::Batch {
            producer.send_batch(&mut outputs)?;
        }
        producer.outstanding.sent(epochs.current(), batch.len as i64);
        if batch.len == 0 {
            producer.hurry();
        }
        producer.poll(0);
        ensure!(producer.outstanding.failures() == 0, "an output was not delivered");
        if Instant::now() >= due {
            due = Instant::now() + COMMIT_INTERVAL;
            // The partitions' queues carry all messages; this serves the consumer's events.
            if let Some(result) = consumer.poll(Duration::ZERO) {
                result.context("consuming")?;
                bail!("a message came by the consumer's own queue");
            }
            epochs.close(&positions);
            commit(&consumer, options, &lanes, epochs.settled(&producer.outstanding), CommitMode::Async)?;
        }
    }
    producer.flush()?;
    epochs.close(&positions);
    commit(&consumer, options, &lanes, epochs.settled(&producer.outstanding), CommitMode::Sync)
}

/// Reads memory that librdkafka gave; its null is empty here.
///
/// # Safety
/// Where `at` is not null, `len` bytes there are valid for `'a`.
pub(super) unsafe fn bytes<'a>(at: *const c_void, len: usize) -> &'a [u8] {
    if at.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(at.cast(), len) }
}

/// Where the messages of a consumer's partitions come in.
pub(super) struct Queue(*mut sys::rd_kafka_queue_t);

impl Queue {
    pub(super) fn new(consumer: &BaseConsumer, options: &Options, lanes: &[i32]) -> Result<Self> {
        let client = consumer.client().native_ptr();
        let topic = CString::new(options.input.as_str())?;
        // SAFETY: the client lives as long as the consumer, which the caller drops after the queue.
        let queue = Self(unsafe { sys::rd_kafka_queue_new(client) });
        for &partition in lanes {
            // SAFETY: as above; the reference to the partition's queue is given back, the forwarding stays.
            unsafe {
                let lane = sys::rd_kafka_queue_get_partition(client, topic.as_ptr(), partition);
                ensure!(!lane.is_null(), "partition {partition} has no queue");
                sys::rd_kafka_queue_forward(lane, queue.0);
                sys::rd_kafka_queue_destroy(lane);
            }
        }
        Ok(queue)
    }

    /// Waits for messages, and puts them in place of those that the batch has.
    pub(super) fn fill(&self, batch: &mut Batch) {
        batch.clear();
        // SAFETY: the array has room for as many messages as it says.
        let count = unsafe { sys::rd_kafka_consume_batch_queue(self.0, 5, batch.messages.as_mut_ptr(), BATCH) };
        batch.len = usize::try_from(count).unwrap_or(0);
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the queue is not used again.
        unsafe { sys::rd_kafka_queue_destroy(self.0) };
    }
}

/// Messages of the consumer, given back when they are replaced.
pub(super) struct Batch {
    messages: [*mut sys::rd_kafka_message_t; BATCH],
    len: usize,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self { messages: [ptr::null_mut(); BATCH], len: 0 }
    }

    pub(super) fn messages(&mut self) -> impl Iterator<Item = &mut sys::rd_kafka_message_t> {
        // SAFETY: the first `len` are messages that nobody else has.
        self.messages[..self.len].iter().map(|message| unsafe { &mut **message })
    }

    fn clear(&mut self) {
        for message in &self.messages[..self.len] {
            // SAFETY: it is a message that was not given back yet.
            unsafe { sys::rd_kafka_message_destroy(*message) };
        }
        self.len = 0;
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Outputs for one call of `rd_kafka_produce_batch`.
#[derive(Default)]
struct Outputs {
    values: Vec<u8>,
    messages: Vec<sys::rd_kafka_message_t>,
}

impl Outputs {
    fn push(&mut self, message: &sys::rd_kafka_message_t, value: &[u8], epoch: usize) {
        self.values.extend_from_slice(value);
        self.messages.push(sys::rd_kafka_message_t {
            // Set when the values no longer move.
            payload: ptr::null_mut(),
            len: value.len(),
            _private: epoch as *mut c_void,
            ..*message
        });
    }
}

/// A producer made of librdkafka's own calls.
struct Producer {
    client: *mut sys::rd_kafka_t,
    topic: *mut sys::rd_kafka_topic_t,
    outstanding: Box<Outstanding>,
}

impl Producer {
    fn new(options: &Options) -> Result<Self> {
        let outstanding = Box::new(Outstanding::new());
        let mut config = super::producer_config(options);
        config.set("queue.buffering.max.messages", QUEUE.to_string());
        // `rd_kafka_new` takes the configuration.
        let config = ManuallyDrop::new(config.create_native_config().context("configuring a producer")?);
        let topic = CString::new(options.output.as_str())?;
        let mut error = [0; 512];
        // SAFETY: `outstanding` has a fixed address and outlives the client, which `drop` destroys first.
        let client = unsafe {
            sys::rd_kafka_conf_set_dr_msg_cb(config.ptr(), Some(delivered));
            sys::rd_kafka_conf_set_opaque(config.ptr(), ptr::from_ref(&*outstanding).cast_mut().cast());
            sys::rd_kafka_new(sys::rd_kafka_type_t::RD_KAFKA_PRODUCER, config.ptr(), error.as_mut_ptr(), error.len())
        };
        if client.is_null() {
            // SAFETY: librdkafka ended the text with a zero.
            bail!("making a producer: {}", unsafe { CStr::from_ptr(error.as_ptr()) }.to_string_lossy());
        }
        // SAFETY: the client was made above, and the name is copied.
        let topic = unsafe { sys::rd_kafka_topic_new(client, topic.as_ptr(), ptr::null_mut()) };
        Ok(Self { client, topic, outstanding })
    }

    /// Serves delivery reports, all there are.
    fn poll(&self, milliseconds: c_int) {
        // SAFETY: the client lives.
        unsafe { sys::rd_kafka_poll(self.client, milliseconds) };
    }

    /// Sends what waits for others, while there is nothing to read: with a long `linger.ms` the last rows would wait for it.
    fn hurry(&self) {
        // SAFETY: the client lives. That not all is delivered in a millisecond is no failure.
        unsafe { sys::rd_kafka_flush(self.client, 1) };
    }

    /// Sends an output with the message's key, timestamp and headers, waiting while the producer's queue is full.
    #[inline]
    fn send(&self, message: &mut sys::rd_kafka_message_t, value: &[u8], epoch: usize) -> Result<()> {
        use sys::rd_kafka_vtype_t as vtype;
        let mut time_type = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        let mut headers = ptr::null_mut();
        // SAFETY: the message is valid.
        let timestamp = unsafe { sys::rd_kafka_message_timestamp(message, &mut time_type).max(0) };
        let has_headers = !is_bare(message)
            // SAFETY: the message is valid; detached headers are ours.
            && unsafe { sys::rd_kafka_message_detach_headers(message, &mut headers) }
                == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
        let mem = |ptr: *const c_void, size| Value {
            mem: sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr: ptr.cast_mut(), size },
        };
        let arguments = [
            argument(vtype::RD_KAFKA_VTYPE_RKT, Value { rkt: self.topic }),
            argument(vtype::RD_KAFKA_VTYPE_VALUE, mem(value.as_ptr().cast(), value.len())),
            argument(vtype::RD_KAFKA_VTYPE_KEY, mem(message.key, message.key_len)),
            argument(vtype::RD_KAFKA_VTYPE_TIMESTAMP, Value { i64_: timestamp }),
            argument(vtype::RD_KAFKA_VTYPE_OPAQUE, Value { ptr: epoch as *mut c_void }),
            argument(vtype::RD_KAFKA_VTYPE_MSGFLAGS, Value { i: sys::RD_KAFKA_MSG_F_COPY }),
            argument(vtype::RD_KAFKA_VTYPE_HEADERS, Value { headers }),
        ];
        let count = if has_headers { arguments.len() } else { arguments.len() - 1 };
        loop {
            // SAFETY: the arguments are of the types they say; librdkafka copies key and value, and takes the headers where it succeeds.
            let error = unsafe { sys::rd_kafka_produceva(self.client, arguments.as_ptr(), count) };
            if error.is_null() {
                return Ok(());
            }
            // SAFETY: it is an error, which is ours.
            let code = unsafe {
                let code = sys::rd_kafka_error_code(error);
                sys::rd_kafka_error_destroy(error);
                code
            };
            ensure!(code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__QUEUE_FULL, "producing: {code:?}");
            self.poll(1);
        }
    }

    /// Sends the outputs in one call, waiting while the producer's queue has no room for them.
    fn send_batch(&self, outputs: &mut Outputs) -> Result<()> {
        let count = c_int::try_from(outputs.messages.len())?;
        // SAFETY: the client lives.
        while unsafe { sys::rd_kafka_outq_len(self.client) } + count > QUEUE {
            self.poll(1);
        }
        let mut at = 0;
        for message in &mut outputs.messages {
            message.payload = outputs.values[at..].as_mut_ptr().cast();
            at += message.len;
        }
        let (partition, flags) = (UNASSIGNED, sys::RD_KAFKA_MSG_F_COPY);
        // SAFETY: keys belong to messages of the batch, which is not replaced yet; values are in `outputs`. Both are copied.
        let sent =
            unsafe { sys::rd_kafka_produce_batch(self.topic, partition, flags, outputs.messages.as_mut_ptr(), count) };
        ensure!(sent == count, "producing: {} of {count} were refused", count - sent);
        outputs.messages.clear();
        outputs.values.clear();
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        // SAFETY: the client lives.
        let result = unsafe { sys::rd_kafka_flush(self.client, 30_000) };
        ensure!(
            result == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
            "delivering the last outputs: {result:?}"
        );
        ensure!(self.outstanding.failures() == 0, "an output was not delivered");
        Ok(())
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // SAFETY: neither is used again.
        unsafe {
            sys::rd_kafka_topic_destroy(self.topic);
            sys::rd_kafka_destroy(self.client);
        }
    }
}

use sys::rd_kafka_vu_s__bindgen_ty_1 as Value;

fn argument(vtype: sys::rd_kafka_vtype_t, u: Value) -> sys::rd_kafka_vu_t {
    sys::rd_kafka_vu_t { vtype, u }
}

/// librdkafka's callback for each message that was delivered, or never will be.
unsafe extern "C" fn delivered(_: *mut sys::rd_kafka_t, message: *const sys::rd_kafka_message_t, opaque: *mut c_void) {
    // SAFETY: `opaque` is what `Producer::new` set, and the message is valid during the call.
    let (outstanding, message) = unsafe { (&*opaque.cast::<Outstanding>(), &*message) };
    if message.err != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        outstanding.failed();
    }
    outstanding.delivered(message._private as usize);
}
