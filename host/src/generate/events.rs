//! Events with a category and a value, for transforms that compute and route, keyed by their id.

use super::{Generate, json, mix};

/// 2026-01-01T00:00:00Z in milliseconds since 1970: the time of event 0.
const START: u64 = 1_767_225_600_000;

/// Events: `{"id":"event-17","category":"b","value":42.5,"timestamp":1767225600170}`, ten milliseconds apart.
#[derive(Clone, Copy, Debug)]
pub struct Events {
    seed: u64,
}

impl Events {
    /// The categories an event can have.
    pub const CATEGORIES: [&str; 5] = ["a", "b", "c", "d", "e"];

    /// Makes a generator of the events of this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl Generate for Events {
    fn record(&self, i: u64, key: &mut Vec<u8>, value: &mut Vec<u8>) {
        let mut random = fastrand::Rng::with_seed(mix(self.seed, i));
        key.clear();
        key.extend_from_slice(b"event-");
        json::integer(key, i);
        value.clear();
        value.extend_from_slice(b"{\"id\":\"");
        value.extend_from_slice(key);
        value.extend_from_slice(b"\",\"category\":\"");
        value.extend_from_slice(Self::CATEGORIES[random.usize(..Self::CATEGORIES.len())].as_bytes());
        value.extend_from_slice(b"\",\"value\":");
        json::short_hundredths(value, random.u64(..100_000));
        value.extend_from_slice(b",\"timestamp\":");
        // The end of what a JSON reader holds exactly in a float, 2^53, is far away.
        json::integer(value, START + i % (1 << 48) * 10);
        value.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_category_comes_up() {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let mut seen = std::collections::HashSet::new();
        for i in 0..200 {
            Events::new(3).record(i, &mut key, &mut value);
            let event: serde_json::Value = serde_json::from_slice(&value).unwrap();
            assert!((0.0..1000.0).contains(&event["value"].as_f64().unwrap()));
            assert_eq!(event["timestamp"].as_u64().unwrap(), START + i * 10);
            seen.insert(event["category"].as_str().unwrap().to_owned());
        }
        assert_eq!(seen.len(), Events::CATEGORIES.len());
    }
}
