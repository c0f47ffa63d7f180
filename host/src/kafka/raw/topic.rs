//! Produces rows to one topic.

use super::{Error, Handle, Slab, take};
use crate::batch::Bytes;
use rdkafka::bindings as rd;
use rdkafka::error::RDKafkaErrorCode;
use std::ffi::{CString, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// Lets librdkafka's partitioner choose.
const ANY_PARTITION: i32 = -1;
/// librdkafka copies the value; it always copies the key.
const COPY: i32 = 2;

/// A topic of one producer.
pub(in crate::kafka) struct Topic {
    topic: NonNull<rd::rd_kafka_topic_t>,
    handle: Arc<Handle>,
}

// SAFETY: librdkafka's topics may be used from any thread
unsafe impl Send for Topic {}

/// What is produced.
pub(in crate::kafka) struct Row<'a> {
    /// `None`: by the key.
    pub(in crate::kafka) partition: Option<i32>,
    pub(in crate::kafka) key: Bytes<'a>,
    pub(in crate::kafka) value: Bytes<'a>,
    /// Milliseconds since 1970-01-01 UTC; negative where there is none: then librdkafka takes the current time.
    pub(in crate::kafka) timestamp: i64,
    /// Comes back with the delivery report.
    pub(in crate::kafka) opaque: usize,
}

impl Topic {
    pub(super) fn new(handle: &Arc<Handle>, name: &str) -> Result<Self, Error> {
        let failed = || Error { code: RDKafkaErrorCode::InvalidArgument, text: format!("{name:?} is no topic's name") };
        let c_name = CString::new(name).map_err(|_| failed())?;
        // SAFETY: client and name are alive; without a configuration the client's default holds
        let topic = unsafe { rd::rd_kafka_topic_new(handle.rk(), c_name.as_ptr(), ptr::null_mut()) };
        Ok(Self { topic: NonNull::new(topic).ok_or_else(failed)?, handle: handle.clone() })
    }

    /// Hands a row over. Key and headers are copied. So is the value, unless there is a slab that has a copy of it, from the
    /// given place on: then librdkafka reads it there until the row comes back. Nothing is kept when it fails.
    pub(in crate::kafka) fn produce<'h>(
        &self,
        row: &Row<'_>,
        slab: Option<(&mut Slab, usize)>,
        headers: impl ExactSizeIterator<Item = (Bytes<'h>, Bytes<'h>)>,
    ) -> Result<(), Error> {
        let Some((slab, at)) = slab else { return self.produce_va(row, row.value, COPY, headers) };
        self.produce_va(row, slab.part(at, row.value), 0, headers)?;
        slab.fly();
        Ok(())
    }

    fn produce_va<'h>(
        &self,
        row: &Row<'_>,
        value: Bytes<'_>,
        flags: i32,
        headers: impl ExactSizeIterator<Item = (Bytes<'h>, Bytes<'h>)>,
    ) -> Result<(), Error> {
        use rd::rd_kafka_vtype_t as kind;
        let memory = |bytes: Bytes<'_>| rd::rd_kafka_vu_s__bindgen_ty_1 {
            mem: rd::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
                ptr: bytes.map_or(ptr::null_mut(), |bytes| bytes.as_ptr().cast_mut().cast::<c_void>()),
                size: bytes.map_or(0, <[u8]>::len),
            },
        };
        let headers = collect(headers);
        let parts = [
            (kind::RD_KAFKA_VTYPE_RKT, rd::rd_kafka_vu_s__bindgen_ty_1 { rkt: self.topic.as_ptr() }),
            (
                kind::RD_KAFKA_VTYPE_PARTITION,
                rd::rd_kafka_vu_s__bindgen_ty_1 { i32_: row.partition.unwrap_or(ANY_PARTITION) },
            ),
            (kind::RD_KAFKA_VTYPE_MSGFLAGS, rd::rd_kafka_vu_s__bindgen_ty_1 { i: flags }),
            (kind::RD_KAFKA_VTYPE_VALUE, memory(value)),
            (kind::RD_KAFKA_VTYPE_KEY, memory(row.key)),
            // zero is librdkafka's word for the current time
            (kind::RD_KAFKA_VTYPE_TIMESTAMP, rd::rd_kafka_vu_s__bindgen_ty_1 { i64_: row.timestamp.max(0) }),
            (
                kind::RD_KAFKA_VTYPE_OPAQUE,
                rd::rd_kafka_vu_s__bindgen_ty_1 { ptr: ptr::without_provenance_mut(row.opaque) },
            ),
            (kind::RD_KAFKA_VTYPE_HEADERS, rd::rd_kafka_vu_s__bindgen_ty_1 { headers }),
        ];
        let parts = parts.map(|(vtype, u)| rd::rd_kafka_vu_t { vtype, u });
        let count = parts.len() - usize::from(headers.is_null());
        // SAFETY: client, topic, bytes and headers are alive, and each part has its type's field; the last one is left
        // out where there are no headers. A value that is not copied lies in a slab, which stays as it is until the row is
        // back, and outlives the client otherwise
        let outcome = take(unsafe { rd::rd_kafka_produceva(self.handle.rk(), parts.as_ptr(), count) });
        if outcome.is_err() && !headers.is_null() {
            // SAFETY: headers stay ours when producing fails
            unsafe { rd::rd_kafka_headers_destroy(headers) };
        }
        outcome
    }
}

/// librdkafka's own list; null where there is none.
fn collect<'h>(headers: impl ExactSizeIterator<Item = (Bytes<'h>, Bytes<'h>)>) -> *mut rd::rd_kafka_headers_t {
    if headers.len() == 0 {
        return ptr::null_mut();
    }
    // SAFETY: names and values are alive while they are copied; sizes fit their bytes
    unsafe {
        let list = rd::rd_kafka_headers_new(headers.len());
        for (name, value) in headers {
            let name = name.unwrap_or_default();
            let (bytes, size) = value.map_or((ptr::null(), 0), |value| (value.as_ptr(), value.len()));
            rd::rd_kafka_header_add(list, name.as_ptr().cast(), name.len() as isize, bytes.cast(), size as isize);
        }
        list
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: the topic is ours
        unsafe { rd::rd_kafka_topic_destroy(self.topic.as_ptr()) }
    }
}
