//! Makes realistic test data: flights, page views and events, the same for the same seed. Knows nothing of Kafka.
//!
//! Record `i` depends on the seed and on `i` alone, so several producers can share a range, and a test can make any
//! record again.

pub mod events;
pub mod flights;
mod json;
pub mod lz4;
pub mod pageviews;
mod places;

pub use events::Events;
pub use flights::Flights;
pub use lz4::Lz4;
pub use pageviews::PageViews;

/// Records of one kind, numbered from 0.
pub trait Generate: Send + Sync {
    /// Puts the key and the value of record `i` in place of what the buffers hold.
    fn record(&self, i: u64, key: &mut Vec<u8>, value: &mut Vec<u8>);
}

/// Mixes a seed and a record's number. For one seed no two numbers give the same result.
fn mix(seed: u64, i: u64) -> u64 {
    // The finalizer of SplitMix64 (Steele, Lea, Flood 2014), which is a bijection, as is adding the seed's own mix.
    let finalize = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    finalize(i.wrapping_add(finalize(seed.wrapping_add(0x9e37_79b9_7f4a_7c15))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(seed: u64) -> [Box<dyn Generate>; 3] {
        [Box::new(Flights::new(seed)), Box::new(PageViews::new(seed)), Box::new(Events::new(seed))]
    }

    #[test]
    fn a_record_depends_on_the_seed_and_its_number_alone() {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let (mut key_again, mut value_again) = (b"left over".to_vec(), b"left over".to_vec());
        for ((upwards, downwards), other) in kinds(7).iter().zip(&kinds(7)).zip(&kinds(8)) {
            let mut same = 0;
            for i in 0..1000 {
                upwards.record(i, &mut key, &mut value);
                for j in (i..i + 3).rev() {
                    downwards.record(j, &mut key_again, &mut value_again);
                }
                assert_eq!((&key, &value), (&key_again, &value_again));
                other.record(i, &mut key_again, &mut value_again);
                same += u32::from(value == value_again);
            }
            assert!(same < 10, "{same} of 1000 records are the same for another seed");
        }
    }

    #[test]
    fn every_value_is_json_and_every_key_is_in_it() {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for kind in kinds(1) {
            for i in (0..20_000).chain([u64::MAX]) {
                kind.record(i, &mut key, &mut value);
                let parsed: serde_json::Value = serde_json::from_slice(&value).unwrap();
                let object = parsed.as_object().unwrap();
                let id = ["flight_id", "userid", "id"].iter().find_map(|name| object.get(*name)).unwrap();
                let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
                assert_eq!(id.as_bytes(), key);
            }
        }
    }
}
