//! Places in topics as commands take them: `earliest`, `latest`, a time, offsets by partition; and times alone.

use crate::config::Start;
use std::collections::BTreeMap;

/// Reads a place.
///
/// # Errors
/// It is none; for a person.
pub(super) fn place(words: &[String]) -> Result<Start, String> {
    let help = "write earliest, latest, a time as 2024-05-01T00:00:00Z, or PARTITION=OFFSET";
    if let [word] = words {
        match word.as_str() {
            "earliest" => return Ok(Start::Earliest),
            "latest" => return Ok(Start::Latest),
            "stored" => return Err(format!("`stored` is where the group is already; {help}")),
            _ => {}
        }
        if let Ok(time) = word.parse::<jiff::Timestamp>() {
            return Ok(Start::Timestamp(time.as_millisecond()));
        }
    }
    let mut offsets = BTreeMap::new();
    for word in words {
        let parsed = word.split_once('=').and_then(|(partition, offset)| {
            let partition: i32 = partition.parse().ok().filter(|partition| *partition >= 0)?;
            let offset: i64 = offset.parse().ok().filter(|offset| *offset >= 0)?;
            Some((partition, offset))
        });
        let Some((partition, offset)) = parsed else {
            return Err(format!("`{word}` is not a place to go to: {help}"));
        };
        if offsets.insert(partition, offset).is_some() {
            return Err(format!("partition {partition} stands there twice"));
        }
    }
    Ok(Start::Offsets(offsets))
}

/// Reads a time as `2024-05-01T00:00:00Z`, in milliseconds since 1970-01-01 UTC.
pub(super) fn time(text: &str) -> Result<i64, String> {
    let time = text.parse::<jiff::Timestamp>();
    time.map(|time| time.as_millisecond()).map_err(|_| format!("{text:?} is no time: write it as 2024-05-01T00:00:00Z"))
}

/// Writes a time of milliseconds since 1970-01-01 UTC.
pub(super) fn time_text(milliseconds: i64) -> String {
    match jiff::Timestamp::from_millisecond(milliseconds) {
        Ok(time) if milliseconds >= 0 => format!("{time:.3}"),
        _ => "no time".to_owned(),
    }
}

/// Reads how many records a second: `100` or `100/s`.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).trim().parse::<f64>();
    number
        .ok()
        .filter(|rate| rate.is_finite() && *rate > 0.0)
        .ok_or_else(|| format!("{text:?} is no rate: write records a second, as 100 or 100/s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(words: &[&str]) -> Result<Start, String> {
        place(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn places_are_words_times_or_offsets_by_partition() {
        assert_eq!(to(&["earliest"]), Ok(Start::Earliest));
        assert_eq!(to(&["latest"]), Ok(Start::Latest));
        assert_eq!(to(&["1970-01-01T00:00:01Z"]), Ok(Start::Timestamp(1000)));
        assert_eq!(to(&["0=5", "2=0"]), Ok(Start::Offsets([(0, 5), (2, 0)].into())));
    }

    #[test]
    fn what_is_no_place_is_refused_with_what_to_write() {
        for words in
            [&["stored"][..], &["yesterday"], &["0=x"], &["-1=3"], &["0=1", "0=2"], &["earliest", "latest"], &["5"]]
        {
            assert!(to(words).is_err(), "{words:?}");
        }
        assert!(to(&["beginning"]).unwrap_err().contains("write earliest, latest"));
    }

    #[test]
    fn times_and_rates_are_read_and_written() {
        assert_eq!(time("1970-01-01T00:00:01.5Z"), Ok(1500));
        assert!(time("yesterday").unwrap_err().contains("write it as"));
        assert_eq!((time_text(1500).as_str(), time_text(-1).as_str()), ("1970-01-01T00:00:01.500Z", "no time"));
        assert_eq!((rate("100"), rate("0.5/s")), (Ok(100.0), Ok(0.5)));
        for wrong in ["0", "-1", "many", "inf", "10/m"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
