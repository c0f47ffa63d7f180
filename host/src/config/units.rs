//! Units as people write them: durations and sizes. Pure; a bare number is refused, whatever it may have meant.

use std::time::Duration;

const DURATIONS: [(&str, f64); 16] = [
    ("ms", 0.001),
    ("millisecond", 0.001),
    ("milliseconds", 0.001),
    ("s", 1.0),
    ("sec", 1.0),
    ("second", 1.0),
    ("seconds", 1.0),
    ("min", 60.0),
    ("minute", 60.0),
    ("minutes", 60.0),
    ("h", 3600.0),
    ("hour", 3600.0),
    ("hours", 3600.0),
    ("d", 86400.0),
    ("day", 86400.0),
    ("days", 86400.0),
];

const SIZES: [(&str, f64); 9] = [
    ("B", 1.0),
    ("kB", 1e3),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
];

/// Parses `500 ms`, `1.5s`, `2 min`.
///
/// # Errors
/// What to write instead.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text, "s")?;
    match DURATIONS.iter().find(|(name, _)| *name == unit) {
        Some((_, seconds)) => {
            Duration::try_from_secs_f64(number * seconds).map_err(|_| format!("`{text}` is too long a time"))
        }
        None if unit == "m" => {
            Err(format!("`m` may be minutes or milliseconds: write `{number} min` or `{number} ms`"))
        }
        None => Err(format!("`{unit}` is no unit of time: write ms, s, min, h or d")),
    }
}

/// Parses `64 MiB`, `1MB`, `512 B`.
///
/// # Errors
/// What to write instead.
pub fn size(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text, "MiB")?;
    if let Some((_, bytes)) = SIZES.iter().find(|(name, _)| *name == unit) {
        return Ok((number * bytes) as usize);
    }
    let likely = SIZES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit) || name.trim_end_matches('B').eq_ignore_ascii_case(unit));
    match likely {
        Some((name, _)) => Err(format!("`{unit}` is no unit of size: write `{number} {name}`")),
        None => Err(format!("`{unit}` is no unit of size: write B, kB, MB, GB (thousands) or KiB, MiB, GiB (1,024s)")),
    }
}

/// A size for a person, in the largest unit that it is a whole number of.
pub fn size_text(bytes: usize) -> String {
    match bytes {
        0 => "0 B".to_owned(),
        _ if bytes.is_multiple_of(1 << 30) => format!("{} GiB", bytes >> 30),
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} B"),
    }
}

/// A duration for a person.
pub fn duration_text(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        _ if ms > 0 && ms.is_multiple_of(60_000) => format!("{} min", ms / 60_000),
        _ if ms.is_multiple_of(1000) => format!("{} s", ms / 1000),
        _ => format!("{ms} ms"),
    }
}

fn split<'t>(text: &'t str, example: &str) -> Result<(f64, &'t str), String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let Ok(value) = number.parse::<f64>() else {
        return Err(match text.starts_with('-') {
            true => format!("`{text}` is negative: write `{}`", text.trim_start_matches(['-', ' '])),
            false => format!("`{text}` is not a number with a unit: write for example `1 {example}`"),
        });
    };
    match unit.trim_start() {
        "" => Err(format!("`{text}` has no unit: write for example `{text} {example}`")),
        unit => Ok((value, unit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_with_and_without_a_space() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5 s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2 min"), Ok(Duration::from_secs(120)));
        assert_eq!(size("64 MiB"), Ok(64 << 20));
        assert_eq!(size("1MB"), Ok(1_000_000));
        assert_eq!(size("1.5 KiB"), Ok(1536));
    }

    #[test]
    fn what_is_no_unit_is_told_with_what_to_write() {
        assert_eq!(duration("5").unwrap_err(), "`5` has no unit: write for example `5 s`");
        assert_eq!(duration("5 m").unwrap_err(), "`m` may be minutes or milliseconds: write `5 min` or `5 ms`");
        assert_eq!(size("64M").unwrap_err(), "`M` is no unit of size: write `64 MB`");
        assert_eq!(size("64 mb").unwrap_err(), "`mb` is no unit of size: write `64 MB`");
        assert_eq!(size("-1 MB").unwrap_err(), "`-1 MB` is negative: write `1 MB`");
        assert!(duration("").is_err() && size("MiB").is_err() && duration("1e99 s").is_err());
    }

    #[test]
    fn a_shown_unit_can_be_read_again() {
        for bytes in [0, 1, 1024, 1 << 20, 3 << 30, 1_000_001] {
            assert_eq!(size(&size_text(bytes)), Ok(bytes));
        }
        for ms in [0, 1, 1000, 90_000, 120_000] {
            let duration = Duration::from_millis(ms);
            assert_eq!(super::duration(&duration_text(duration)), Ok(duration));
        }
    }
}
