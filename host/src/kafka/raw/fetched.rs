//! A partition's messages as librdkafka hands them out, and their columns.

use super::bare::is_bare;
use super::{Bell, Error, Handle, Queue, text};
use crate::batch::{Batch, Bytes, Column, Headers};
use crate::record::Partition;
use crate::source::{BatchLimit, Messages};
use rdkafka::bindings as rd;
use rdkafka::error::IsError;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::ffi::{c_char, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// One message, ours to destroy; its memory lasts until then, whatever becomes of the assignment. Lives only in types
/// that keep the client, since messages must be gone first.
struct Message(NonNull<rd::rd_kafka_message_t>);

impl Message {
    fn raw(&self) -> &rd::rd_kafka_message_t {
        // SAFETY: the message is ours, and alive
        unsafe { self.0.as_ref() }
    }

    fn size(&self) -> usize {
        self.raw().len + self.raw().key_len
    }

    /// Asks the processor for the byte behind the value, which [`is_bare`] looks at: by then it is there, for all messages of a batch.
    fn fetch_end(&self) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let raw = self.raw();
            // SAFETY: it reads nothing, whatever is there
            unsafe { _mm_prefetch::<_MM_HINT_T0>(raw.payload.cast::<i8>().wrapping_add(raw.len)) };
        }
    }

    /// What went wrong, when it is no message at all.
    fn error(&self) -> Option<Error> {
        let raw = self.raw();
        raw.err.is_error().then(|| {
            // SAFETY: an error's text lies where a message's payload would
            let text = unsafe { text(raw.payload.cast()) };
            Error { code: raw.err.into(), text }
        })
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: the message is ours
        unsafe { rd::rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

/// Where a message that took the wrong way belongs.
pub(super) fn place(message: &rd::rd_kafka_message_t) -> Partition {
    if message.rkt.is_null() {
        return Partition { topic: String::new(), number: message.partition };
    }
    // SAFETY: the message keeps its topic alive
    let topic = unsafe { text(rd::rd_kafka_topic_name(message.rkt)) };
    Partition { topic, number: message.partition }
}

/// Reads one partition's queue in batches.
pub(in crate::kafka) struct Tap {
    /// What was taken from the queue and did not fit into a batch.
    left: VecDeque<Message>,
    /// Whether the queue may hold more, as far as was seen.
    more: bool,
    bell: Arc<Bell>,
    queue: Queue,
    topic: Arc<str>,
    partition: i32,
}

// SAFETY: librdkafka's messages may be destroyed by any thread
unsafe impl Send for Tap {}

impl Tap {
    /// Opens a partition. This must come before it is assigned: see [`Handle::partition`].
    pub(in crate::kafka) fn open(handle: &Arc<Handle>, partition: &Partition, bell: Arc<Bell>) -> Option<Self> {
        let queue = handle.partition(partition, bell.clone())?;
        let topic = partition.topic.as_str().into();
        Some(Self { left: VecDeque::new(), more: true, bell, queue, topic, partition: partition.number })
    }

    /// The next messages, if there are any now. What librdkafka says of the partition is pushed to `faults`.
    pub(in crate::kafka) fn next(&mut self, limit: BatchLimit, faults: &mut Vec<Error>) -> Option<Fetched> {
        let records = limit.records.max(1);
        // asked before the queue is read: what comes later rings again
        self.more |= self.bell.take();
        if self.more && self.left.len() < records {
            self.more = self.fill(records - self.left.len(), faults) > 0;
        }
        if self.left.is_empty() {
            return None;
        }
        let mut bytes = 0;
        let fitting = self.left.iter().take(records).take_while(|message| {
            bytes += message.size();
            bytes <= limit.bytes
        });
        // a single message that is larger still makes a batch
        let count = fitting.count().max(1);
        let messages = self.left.drain(..count).collect();
        Some(Fetched::new(messages, self.topic.clone(), self.partition, self.queue.handle.clone()))
    }

    /// Whether everything that was taken has been handed out.
    pub(in crate::kafka) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Drops what was taken, after a seek. The queue's part is librdkafka's business.
    pub(in crate::kafka) fn clear(&mut self) {
        self.left.clear();
        self.more = true;
    }

    /// Drops everything, after the partition was taken: librdkafka would keep it until it comes back.
    pub(in crate::kafka) fn drain(&mut self) {
        self.left.clear();
        while self.fill(1024, &mut Vec::new()) > 0 {
            self.left.clear();
        }
    }

    fn fill(&mut self, count: usize, faults: &mut Vec<Error>) -> usize {
        let mut pointers: Vec<*mut rd::rd_kafka_message_t> = Vec::with_capacity(count);
        // SAFETY: the queue is alive, and there is room for `count` pointers
        let taken =
            unsafe { rd::rd_kafka_consume_batch_queue(self.queue.queue.as_ptr(), 0, pointers.as_mut_ptr(), count) };
        let taken = usize::try_from(taken).unwrap_or(0);
        // SAFETY: so many pointers were written
        unsafe { pointers.set_len(taken) };
        for message in pointers.into_iter().filter_map(NonNull::new).map(Message) {
            match message.error() {
                None => {
                    message.fetch_end();
                    self.left.push_back(message);
                }
                Some(fault) => faults.push(fault),
            }
        }
        taken
    }
}

/// Some messages of one partition, in order, and columns that point into them.
pub(in crate::kafka) struct Fetched {
    /// Every `'static` below is a lie that ends here: the bytes live as long as these.
    _messages: Vec<Message>,
    _handle: Arc<Handle>,
    topic: Arc<str>,
    partition: i32,
    offsets: Vec<i64>,
    timestamps: Vec<i64>,
    keys: Vec<Bytes<'static>>,
    values: Vec<Bytes<'static>>,
    header_counts: Vec<u32>,
    header_names: Vec<Bytes<'static>>,
    header_values: Vec<Bytes<'static>>,
}

// SAFETY: librdkafka's messages may be read and destroyed by any thread
unsafe impl Send for Fetched {}

impl Fetched {
    fn new(messages: Vec<Message>, topic: Arc<str>, partition: i32, handle: Arc<Handle>) -> Self {
        let count = messages.len();
        let mut fetched = Self {
            _messages: Vec::new(),
            _handle: handle,
            topic,
            partition,
            offsets: Vec::with_capacity(count),
            timestamps: Vec::with_capacity(count),
            keys: Vec::with_capacity(count),
            values: Vec::with_capacity(count),
            header_counts: Vec::new(),
            header_names: Vec::new(),
            header_values: Vec::new(),
        };
        for message in &messages {
            let raw = message.raw();
            fetched.offsets.push(raw.offset);
            // SAFETY: the message is alive; the kind of timestamp is not asked for
            fetched.timestamps.push(unsafe { rd::rd_kafka_message_timestamp(raw, ptr::null_mut()) });
            // SAFETY: the bytes live as long as the message, which `fetched` keeps
            unsafe {
                fetched.keys.push(bytes(raw.key, raw.key_len));
                fetched.values.push(bytes(raw.payload, raw.len));
            }
            fetched.push_headers(raw);
        }
        fetched._messages = messages;
        fetched
    }

    fn push_headers(&mut self, message: &rd::rd_kafka_message_t) {
        let mut headers = ptr::null_mut();
        // SAFETY: the message is alive. What librdkafka parses here is the message's, and lives as long
        if is_bare(message) || unsafe { rd::rd_kafka_message_headers(message, &mut headers) }.is_error() {
            if !self.header_counts.is_empty() {
                self.header_counts.push(0);
            }
            return;
        }
        // the first record that has any: those before it have none
        self.header_counts.resize(self.offsets.len() - 1, 0);
        let mut count = 0;
        let (mut name, mut value, mut size): (*const c_char, *const c_void, usize) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the headers are alive, and so are the places for name, value and size
        while !unsafe { rd::rd_kafka_header_get_all(headers, count, &mut name, &mut value, &mut size) }.is_error() {
            // SAFETY: a header's name ends with a zero; both live as long as the message, which `self` keeps
            unsafe {
                self.header_names.push(bytes(name.cast(), std::ffi::CStr::from_ptr(name).count_bytes()));
                self.header_values.push(bytes(value, size));
            }
            count += 1;
        }
        self.header_counts.push(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Drops the columns of messages from an offset on.
    pub(in crate::kafka) fn cut(&mut self, end: i64) {
        let kept = self.offsets.partition_point(|offset| *offset < end);
        if kept == self.offsets.len() {
            return;
        }
        self.offsets.truncate(kept);
        self.timestamps.truncate(kept);
        self.keys.truncate(kept);
        self.values.truncate(kept);
        self.header_counts.truncate(kept);
        let headers = self.header_counts.iter().map(|count| *count as usize).sum();
        self.header_names.truncate(headers);
        self.header_values.truncate(headers);
    }

    /// Whether there is nothing in the columns.
    pub(in crate::kafka) fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Offset of the first message.
    pub(in crate::kafka) fn first(&self) -> i64 {
        self.offsets.first().copied().unwrap_or_default()
    }

    /// Offset of the last message.
    pub(in crate::kafka) fn last(&self) -> i64 {
        self.offsets.last().copied().unwrap_or_default()
    }
}

impl Messages for Fetched {
    fn offsets(&self) -> Cow<'_, [i64]> {
        Cow::Borrowed(&self.offsets)
    }

    fn batch(&self) -> Batch<'_> {
        Batch {
            topic: &self.topic,
            partition: self.partition,
            offsets: Cow::Borrowed(&self.offsets),
            timestamps: Cow::Borrowed(&self.timestamps),
            keys: Column::Each(Cow::Borrowed(&self.keys)),
            values: Column::Each(Cow::Borrowed(&self.values)),
            headers: Headers {
                counts: Cow::Borrowed(&self.header_counts),
                names: Column::Each(Cow::Borrowed(&self.header_names)),
                values: Column::Each(Cow::Borrowed(&self.header_values)),
            },
            siblings_before: 0,
        }
    }
}

/// Null where there is no pointer; an empty byte string is not null.
///
/// # Safety
/// The bytes must outlive every use of the result.
unsafe fn bytes(pointer: *const c_void, size: usize) -> Bytes<'static> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not null, so `size` bytes are there
    Some(unsafe { std::slice::from_raw_parts(pointer.cast(), size) })
}
