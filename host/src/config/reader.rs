//! Reads tables and values of a TOML file and collects everything that is wrong with them. Knows TOML and its places; no key.

use super::report::{Problem, Severity};
use super::{Surroundings, http, registry, secret, units};
use crate::harmless::is_hostile;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// All keys by their table; of a key that several tables have, the likeliest comes first.
pub(super) const KEYS: [(&str, &[&str]); 12] = [
    ("", &["modules", "state", "host", "grace", "unreachable_after", "log", "admin", "schema-registry", "pipelines"]),
    (
        "pipelines.NAME",
        &[
            "delivery",
            "workers",
            "parallel",
            "batch",
            "commit_interval",
            "stamp",
            "on",
            "breaker",
            "source",
            "chain",
            "sink",
            "dead-letter",
        ],
    ),
    (
        "pipelines.NAME.source",
        &["brokers", "topics", "group", "start", "static_membership", "fetch_ahead", "stalled_after", "librdkafka"],
    ),
    ("pipelines.NAME.chain", &["module", "config", "limits"]),
    ("pipelines.NAME.sink", &["type", "topic", "routes", "partition", "in_flight"]),
    ("pipelines.NAME.sink", &http::COMMON),
    ("pipelines.NAME.sink", &http::HTTP),
    ("pipelines.NAME.sink", &http::CLOUD),
    ("pipelines.NAME.sink", &http::SQL),
    ("pipelines.NAME.dead-letter", &["topic", "brokers", "librdkafka"]),
    ("admin", &["listen"]),
    ("schema-registry", &registry::KEYS),
];

/// What is collected while a file is read.
pub(super) struct Reader<'a> {
    pub(super) surroundings: &'a dyn Surroundings,
    /// The folder that paths are relative to.
    pub(super) base: &'a Path,
    pub(super) problems: RefCell<Vec<Problem>>,
    /// Where the keys are that may be found wrong later, when modules are loaded.
    pub(super) places: RefCell<BTreeMap<String, Range<usize>>>,
}

/// A place in the file, for problems.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) path: String,
    pub(super) span: Range<usize>,
}

impl Reader<'_> {
    pub(super) fn error(&self, at: &Place, message: impl Into<String>, help: &[&str]) {
        self.add(Severity::Error, at, message.into(), help);
    }

    pub(super) fn warn(&self, at: &Place, message: impl Into<String>, help: &[&str]) {
        self.add(Severity::Warning, at, message.into(), help);
    }

    pub(super) fn add(&self, severity: Severity, at: &Place, message: String, help: &[&str]) {
        self.problems.borrow_mut().push(Problem {
            severity,
            path: at.path.clone(),
            span: Some(at.span.clone()),
            message,
            help: help.iter().filter(|help| !help.is_empty()).map(|help| (*help).to_owned()).collect(),
        });
    }
}

/// A table of the file.
#[derive(Clone)]
pub(super) struct Section<'a> {
    pub(super) reader: &'a Reader<'a>,
    pub(super) table: &'a DeTable<'a>,
    pub(super) place: Place,
}

/// A value of the file, and the key it stands behind.
#[derive(Clone)]
pub(super) struct Item<'a> {
    pub(super) reader: &'a Reader<'a>,
    pub(super) value: &'a DeValue<'a>,
    pub(super) place: Place,
    pub(super) key: Place,
}

/// A string, with its variables put in.
#[derive(Clone)]
pub(super) struct Text {
    pub(super) value: String,
    /// Whether it, or a part of it, came from a variable or a file: then it is not shown.
    pub(super) hidden: bool,
    pub(super) place: Place,
}

impl Text {
    /// The text in quotes, or where it came from.
    pub(super) fn shown(&self) -> String {
        if self.hidden { "what the variable holds".to_owned() } else { format!("`{}`", self.value) }
    }
}

impl<'a> Section<'a> {
    /// A key's value, where it is there.
    pub(super) fn get(&self, key: &str) -> Option<Item<'a>> {
        let (key, value) = self.table.get_key_value(key)?;
        Some(self.item(key.get_ref(), key.span(), value))
    }

    /// All keys and values, in the file's order.
    pub(super) fn items(&self) -> Vec<(&'a str, Item<'a>)> {
        let table: &'a DeTable<'a> = self.table;
        let mut items: Vec<_> = table
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), self.item(key.get_ref(), key.span(), value)))
            .collect();
        items.sort_by_key(|(_, item)| item.key.span.start);
        items
    }

    /// Tells of keys that are not among `known`. `hint` may know better than the nearest name.
    pub(super) fn only(&self, known: &[&str], hint: impl Fn(&str, &Item<'a>) -> Option<String>) {
        for (key, item) in self.items() {
            if known.contains(&key) {
                continue;
            }
            let help = hint(key, &item)
                .or_else(|| home(key).filter(|_| !known.iter().any(|name| strsim::levenshtein(key, name) == 1)))
                .or_else(|| similar(key, known).map(|name| format!("did you mean `{name}`?")));
            let help = help.unwrap_or_else(|| format!("the keys here are {}", known.join(", ")));
            self.reader.error(&item.key, format!("unknown key `{key}`"), &[&help]);
        }
    }

    /// Tells of a key that must be there and is not, unless something else looks as if it were meant to be it.
    pub(super) fn need(&self, key: &str, message: &str, help: &str) {
        if self.get(key).is_none() && !self.has_like(key) {
            self.reader.error(&self.place, message, &[help]);
        }
    }

    /// Whether there is such a key, rightly spelt or not.
    pub(super) fn has_like(&self, key: &str) -> bool {
        self.items().iter().any(|(name, _)| similar(name, &[key]).is_some())
    }

    fn item(&self, key: &str, key_span: Range<usize>, value: &'a Spanned<DeValue<'a>>) -> Item<'a> {
        let path = if self.place.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place.path) };
        let at = |span| Place { path: path.clone(), span };
        Item { reader: self.reader, value: value.get_ref(), place: at(value.span()), key: at(key_span) }
    }
}

impl<'a> Item<'a> {
    pub(super) fn wrong(&self, message: impl Into<String>, help: &str) {
        self.reader.error(&self.place, message, &[help]);
    }

    /// The key alone.
    fn name(&self) -> &str {
        self.key.path.rsplit('.').next().unwrap_or_default()
    }

    fn expected<T>(&self, what: &str, help: &str) -> Option<T> {
        self.wrong(format!("expected {what}, found {}", kind(self.value)), help);
        None
    }

    /// A table; says so when it is none.
    pub(super) fn section(&self, example: &str) -> Option<Section<'a>> {
        match self.value {
            DeValue::Table(table) => Some(Section { reader: self.reader, table, place: self.place.clone() }),
            _ => self.expected("a table", example),
        }
    }

    /// The items of a list; says so when it is none.
    pub(super) fn list(&self, example: &str) -> Option<Vec<Item<'a>>> {
        let DeValue::Array(items) = self.value else {
            return self.expected("a list", example);
        };
        let item = |(index, value): (usize, &'a Spanned<DeValue<'a>>)| {
            let place = Place { path: format!("{}[{index}]", self.place.path), span: value.span() };
            Item { reader: self.reader, value: value.get_ref(), key: place.clone(), place }
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// A string, with its variables put in; says so when it is none, or a variable is not set.
    pub(super) fn text(&self) -> Option<Text> {
        let DeValue::String(raw) = self.value else {
            return self.expected("a string", "a string stands in quotes");
        };
        match secret::expand(raw, &|name| self.reader.surroundings.variable(name)) {
            Ok((value, _)) if value.contains('\0') => {
                self.wrong("a text with a zero byte in it", "leave it out: no name and no option has one");
                None
            }
            // `${NAME:-}` says that it may be
            Ok((value, true)) if value.is_empty() && secret::is_secret(self.name()) && !raw.contains(":-}") => {
                self.wrong(
                    format!("{raw} is set to nothing"),
                    "set it to the secret, or write `${NAME:-}` where there is none",
                );
                None
            }
            Ok((value, hidden)) => Some(Text { value, hidden, place: self.place.clone() }),
            Err(problems) => {
                for problem in problems {
                    let unset = problem.contains("is not set");
                    let help = "set it before starting, write it into `.env` beside this file, or give a default: `${NAME:-default}`";
                    self.wrong(problem, if unset { help } else { "" });
                }
                None
            }
        }
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        self.word_or(words, &[])
    }

    /// One of some words; `others` are what people write instead of them.
    pub(super) fn word_or<T: Copy>(&self, words: &[(&str, T)], others: &[(&str, &str)]) -> Option<T> {
        if !matches!(self.value, DeValue::String(_)) {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            return self.expected("a word", &format!("write \"{}\"", names.join("\" or \"")));
        }
        let text = self.text()?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text.value) {
            return Some(*value);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let other = others.iter().find(|(other, _)| *other == text.value).map(|(_, word)| *word);
        let help = match other.or_else(|| similar(&text.value, &names)) {
            Some(name) => format!("did you mean \"{name}\"?"),
            None => format!("write \"{}\"", names.join("\" or \"")),
        };
        self.wrong(format!("{} is not one of {}", text.shown(), names.join(", ")), &help);
        None
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(flag) => Some(*flag),
            _ => self.expected("true or false", "write `true` or `false`, without quotes"),
        }
    }

    /// A whole number in a range.
    pub(super) fn whole(&self, range: RangeInclusive<i64>) -> Option<i64> {
        let DeValue::Integer(written) = self.value else {
            let help = match self.value {
                DeValue::Float(_) => "write it without a fraction",
                _ => "a number stands without quotes",
            };
            return self.expected("a whole number", help);
        };
        let number = integer(self.value).filter(|number| range.contains(number));
        if number.is_none() {
            let help = format!("write a number from {} to {}", range.start(), range.end());
            self.wrong(format!("{written} is out of range for `{}`", self.name()), &help);
        }
        number
    }

    /// How many.
    pub(super) fn count(&self, range: RangeInclusive<usize>) -> Option<usize> {
        let [least, most] = [range.start(), range.end()].map(|end| i64::try_from(*end).unwrap_or(i64::MAX));
        self.whole(least..=most)?.try_into().ok()
    }

    /// A share: 0 or more, and less than 1.
    pub(super) fn share(&self) -> Option<f64> {
        let number = match self.value {
            DeValue::Float(number) => number.as_str().replace('_', "").parse().ok(),
            DeValue::Integer(_) => integer(self.value).map(|number| number as f64),
            _ => return self.expected("a number", "write a share, as `0.5`"),
        };
        match number.filter(|share| (0.0..1.0).contains(share)) {
            Some(share) => Some(share),
            None => {
                self.wrong("that is no share", "write a number from 0 to less than 1, as `0.5`");
                None
            }
        }
    }

    pub(super) fn duration(&self, least: Duration) -> Option<Duration> {
        let duration = self.unit(["s", "ms"], units::duration)?;
        if duration < least {
            let message = format!("the time is too short for `{}`", self.name());
            self.wrong(message, &format!("write `\"{}\"` or more", units::duration_text(least)));
            return None;
        }
        Some(duration)
    }

    pub(super) fn size(&self, range: RangeInclusive<usize>) -> Option<usize> {
        let size = self.unit(["MiB", "B"], units::size)?;
        if !range.contains(&size) {
            let [least, most] = [range.start(), range.end()].map(|size| units::size_text(*size));
            let message = format!("the size is out of range for `{}`", self.name());
            self.wrong(message, &format!("write a size from \"{least}\" to \"{most}\""));
            return None;
        }
        Some(size)
    }

    /// Whether it may be shown: no variable is put into it.
    pub(super) fn text_is_plain(&self) -> bool {
        !self.value.as_str().is_some_and(|text| text.contains("${"))
    }

    /// Whether it is this word. A value that is no string is not.
    pub(super) fn is(&self, word: &str) -> bool {
        self.value.as_str() == Some(word)
    }

    /// Parses a number with a unit. `units` are likely ones of a small and of a large number.
    fn unit<T>(&self, units: [&str; 2], parse: fn(&str) -> Result<T, String>) -> Option<T> {
        let bare = match self.value {
            DeValue::Integer(number) => Some(number.as_str()),
            DeValue::Float(number) => Some(number.as_str()),
            _ => None,
        };
        let likely = |number: &str| units[usize::from(number.parse::<f64>().is_ok_and(|number| number >= 1000.0))];
        if let Some(number) = bare {
            let help = format!("write a string with a unit: `\"{number} {}\"`", likely(number));
            self.wrong("a number without its unit", &help);
            return None;
        }
        let text = self.text()?;
        match parse(&text.value) {
            Ok(value) => Some(value),
            Err(_) if text.hidden => {
                self.wrong(
                    format!("{} is not a number with a unit", text.shown()),
                    &format!("for example `1 {}`", units[0]),
                );
                None
            }
            Err(message) => {
                self.wrong(message, "");
                None
            }
        }
    }
}

/// A text as it can be written into the file.
pub(super) fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let escape = |letter| match is_hostile(letter) {
        // there are none of more than 16 bits
        true => format!("\\u{:04x}", u32::from(letter)),
        false => String::from(letter),
    };
    json.chars().map(escape).collect()
}

/// A TOML integer, where it fits.
pub(super) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Where a key belongs that does not belong here.
fn home(key: &str) -> Option<String> {
    let (home, _) = KEYS.iter().find(|(_, keys)| keys.contains(&key))?;
    Some(match *home {
        "" => format!("`{key}` stands at the top of the file, before all tables"),
        "pipelines.NAME.chain" => format!("`{key}` belongs to a module: write it below `[[{home}]]`"),
        _ => format!("`{key}` belongs below `[{home}]`"),
    })
}

/// The name among `names` that was probably meant.
pub fn similar<'n>(written: &str, names: &[&'n str]) -> Option<&'n str> {
    // how words are joined and written is what people forget first
    let plain = |name: &str| name.to_ascii_lowercase().replace(['-', '.', ' '], "_");
    let written = plain(written);
    let distance = |name: &str| strsim::damerau_levenshtein(&written, &plain(name));
    let best = names.iter().map(|name| (distance(name), *name)).min_by_key(|(distance, _)| *distance)?;
    if best.0 == 0 || best.0 <= best.1.len().min(written.len()).div_ceil(4) && written.len() > 2 {
        return Some(best.1);
    }
    let mut longer = names.iter().copied().filter(|name| written.len() > 2 && plain(name).starts_with(&written));
    // where several begin like it, none is more likely
    longer.next().filter(|_| longer.next().is_none())
}
