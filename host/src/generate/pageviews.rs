//! Page views as Confluent's `datagen` connector makes them, keyed by user.

use super::{Generate, json, mix};

/// Page views: `{"viewtime":6671,"userid":"User_2","pageid":"Page_64"}`.
#[derive(Clone, Copy, Debug)]
pub struct PageViews {
    seed: u64,
}

impl PageViews {
    /// Makes a generator of the page views of this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl Generate for PageViews {
    fn record(&self, i: u64, key: &mut Vec<u8>, value: &mut Vec<u8>) {
        let mut random = fastrand::Rng::with_seed(mix(self.seed, i));
        key.clear();
        key.extend_from_slice(b"User_");
        json::integer(key, random.u32(1..10));
        value.clear();
        value.extend_from_slice(b"{\"viewtime\":");
        // About ten a second: ascending, and never beyond what a signed 64-bit number holds.
        json::integer(value, (i % (i64::MAX as u64 / 10)) * 10 + random.u64(1..10));
        value.extend_from_slice(b",\"userid\":\"");
        value.extend_from_slice(key);
        value.extend_from_slice(b"\",\"pageid\":\"Page_");
        json::integer(value, random.u32(10..100));
        value.extend_from_slice(b"\"}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_view_looks_like_the_tutorials() {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        PageViews::new(1).record(667, &mut key, &mut value);
        let value: serde_json::Value = serde_json::from_slice(&value).unwrap();
        assert!((6671..6680).contains(&value["viewtime"].as_u64().unwrap()));
        assert!(value["userid"].as_str().unwrap().starts_with("User_"));
        assert!(value["pageid"].as_str().unwrap().starts_with("Page_"));
        assert_eq!(value.as_object().unwrap().len(), 3);
    }
}
