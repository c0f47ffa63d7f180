//! Multiplies a field of a JSON object, says when, and sends high results to a second topic as well. The README has the rules.

mod time;

use edgemill_guest::json::Scanner;
use edgemill_guest::{Outputs, Record, Reject, Result, Transform, export};
use serde::Deserialize;
use std::fmt::Write;

/// The module's configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    field: String,
    factor: serde_json::Number,
    processed_at: Clock,
    high: Option<High>,
}

impl Default for Config {
    fn default() -> Config {
        Config { field: "value".to_owned(), factor: 2.into(), processed_at: Clock::Now, high: None }
    }
}

/// What `processed_at` is.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Clock {
    Now,
    Timestamp,
}

/// Where results from so much on go too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct High {
    route: String,
    from: f64,
}

/// The transform.
pub struct StreamProcessor {
    field: String,
    factor: Factor,
    clock: Clock,
    high: Option<High>,
    /// The output being made: it may go to two places.
    out: String,
}

#[derive(Clone, Copy)]
struct Factor {
    /// Where it is a whole number.
    whole: Option<i64>,
    float: f64,
}

const VALUE: &[u8] = b"processed_value";
const AT: &[u8] = b"processed_at";

impl Transform for StreamProcessor {
    type Config = Config;

    fn configure(config: Config) -> Result<StreamProcessor, String> {
        let Config { field, factor, processed_at: clock, high } = config;
        if [VALUE, AT].contains(&field.as_bytes()) {
            return Err(format!("field cannot be {field}, which is written by the transform"));
        }
        if clock == Clock::Now && !time::HAS_CLOCK {
            return Err(
                "a plain module has no clock: put the component into the folder, which `make modules` builds as \
                        component/stream-processor.wasm, or write processed_at = \"timestamp\""
                    .to_owned(),
            );
        }
        let float = factor.as_f64().filter(|factor| factor.is_finite());
        let float = float.ok_or_else(|| format!("factor {factor} is beyond what a number of 64 bits holds"))?;
        let factor = Factor { whole: factor.as_i64(), float };
        Ok(StreamProcessor { field, factor, clock, high, out: String::new() })
    }

    fn transform(&mut self, record: &Record<'_>, out: &mut Outputs<'_>) -> Result {
        let Some(text) = record.text()? else {
            out.keep();
            return Ok(());
        };
        let number = self.copy(text)?;
        let result = self.factor.times(&self.field, number)?;
        let milliseconds = match self.clock {
            Clock::Now => time::now(),
            Clock::Timestamp => record
                .timestamp()
                .ok_or_else(|| Reject::new("no-timestamp", "the record has no timestamp for processed_at"))?,
        };
        // writing to a string cannot fail
        let _ = match result {
            Product::Whole(number) => write!(self.out, "\"processed_value\":{number}"),
            // `4.0`, not `4`: it is no whole number
            Product::Float(number) => write!(self.out, "\"processed_value\":{number:?}"),
        };
        self.out.push_str(",\"processed_at\":\"");
        time::write(&mut self.out, milliseconds);
        self.out.push_str("\"}");
        out.emit().value(&self.out);
        if let Some(high) = self.high.as_ref().filter(|high| result.float() >= high.from) {
            out.emit().value(&self.out).route(&high.route);
        }
        Ok(())
    }
}

impl StreamProcessor {
    /// Puts all members but those that the transform makes into the output, and gives the field's number. Where a name
    /// repeats the last one counts.
    fn copy<'a>(&mut self, text: &'a str) -> Result<&'a str> {
        self.out.clear();
        self.out.push('{');
        let mut scanner = Scanner::new(text.as_bytes());
        let mut found = None;
        scanner.begin_object()?;
        while let Some(name) = scanner.next_name()? {
            let value = scanner.skip()?;
            let meaning = name.unescaped_bytes();
            if [VALUE, AT].contains(&&*meaning) {
                continue;
            }
            if *meaning == *self.field.as_bytes() {
                found = Some(&text[value.clone()]);
            }
            self.out.push('"');
            self.out.push_str(&String::from_utf8_lossy(name.raw()));
            self.out.push_str("\":");
            self.out.push_str(&text[value]);
            self.out.push(',');
        }
        scanner.end()?;
        found
            .filter(|value| *value != "null")
            .ok_or_else(|| Reject::new("missing", format!("field {}: the record has no value for it", self.field)))
    }
}

/// What came of a multiplication.
#[derive(Clone, Copy)]
enum Product {
    Whole(i128),
    Float(f64),
}

impl Product {
    fn float(self) -> f64 {
        match self {
            Product::Whole(number) => number as f64,
            Product::Float(number) => number,
        }
    }
}

impl Factor {
    /// Whole numbers stay whole, and exact.
    fn times(self, field: &str, number: &str) -> Result<Product> {
        if !number.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return Err(Reject::new("wrong-type", format!("field {field}: expected a number")));
        }
        if let (Some(factor), Ok(number)) = (self.whole, number.parse::<i64>()) {
            return Ok(Product::Whole(i128::from(number) * i128::from(factor)));
        }
        match number.parse::<f64>().map(|number| number * self.float) {
            Ok(product) if product.is_finite() => Ok(Product::Float(product)),
            _ => Err(Reject::new(
                "out-of-range",
                format!("field {field}: the product is beyond what a number of 64 bits holds"),
            )),
        }
    }
}

export!(StreamProcessor);

#[cfg(test)]
mod tests;
