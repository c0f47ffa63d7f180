//! Flattens nested JSON to the flat record of a FeatureBase table: the flights' by default. The README has the rules.

mod coerce;
mod number;
mod schema;

use coerce::Mismatch;
use edgemill_guest::json::{Paths, Place};
use edgemill_guest::{Buffer, Outputs, Record, Reject, Result, Transform, export};
use number::Misfit;
pub use schema::Config;
use schema::{Field, Kind, OnMissing, Schema};
use std::ops::Range;

/// The transform, made from its schema.
pub struct Flatten {
    schema: Schema,
    paths: Paths,
}

impl Transform for Flatten {
    type Config = Config;

    fn configure(config: Config) -> Result<Flatten, String> {
        let (schema, paths) = Schema::compile(config)?;
        Ok(Flatten { schema, paths })
    }

    fn transform(&mut self, record: &Record<'_>, out: &mut Outputs<'_>) -> Result {
        let Some(value) = record.value() else {
            out.keep();
            return Ok(());
        };
        let places = self.paths.find(value)?;
        self.schema.write(value, places, &mut out.value())
    }
}

impl Schema {
    /// Writes the flat record.
    #[inline]
    fn write(&self, record: &[u8], places: &[Place], out: &mut Buffer) -> Result {
        for field in &self.fields {
            let place = places[field.place];
            match place.range() {
                Some(value) if field.kind == Kind::String && record[value.start] == b'"' => {
                    out.push_piece(&field.prefix);
                    out.extend_from(record, value.start, value.end);
                }
                Some(value) if record[value.start] != b'n' => write(field, record, value, out)?,
                _ => self.write_missing(field, place, out)?,
            }
        }
        // Every field begins with a comma: the first one's becomes the brace.
        match out.written_mut() {
            [first, ..] => *first = b'{',
            [] => out.push(b'{'),
        }
        out.push(b'}');
        Ok(())
    }

    /// Writes a field for which the record has no value, or null.
    #[inline(never)]
    fn write_missing(&self, field: &Field, place: Place, out: &mut Buffer) -> Result {
        if place.is_blocked() {
            return Err(above(field));
        }
        if field.id || self.on_missing == OnMissing::Reject {
            return Err(missing(field));
        }
        if self.on_missing == OnMissing::Null {
            out.push_piece(&field.prefix);
            out.push_str("null");
        }
        Ok(())
    }
}

/// Writes a field that is more than text to be copied.
#[inline(never)]
fn write(field: &Field, record: &[u8], value: Range<usize>, out: &mut Buffer) -> Result {
    out.push_piece(&field.prefix);
    let first = record[value.start];
    match coerce::write(field.kind, record, value, out) {
        Ok(()) => Ok(()),
        Err(mismatch) => Err(unfit(field, mismatch, first)),
    }
}

#[cold]
fn missing(field: &Field) -> Reject {
    Reject::new("missing", format!("field {}: the record has no value for it", field.name))
}

#[cold]
fn above(field: &Field) -> Reject {
    Reject::new("wrong-type", format!("field {}: something on its path is not an object", field.name))
}

#[cold]
fn unfit(field: &Field, mismatch: Mismatch, first: u8) -> Reject {
    let (code, problem) = match mismatch {
        Mismatch::Number(Misfit::Precision) => ("precision", "the number has more digits than the field".to_owned()),
        Mismatch::Number(Misfit::Range) => ("out-of-range", "the number is too large for the field".to_owned()),
        Mismatch::Type => ("wrong-type", format!("expected {}, found {}", wanted(field.kind), found(first))),
    };
    Reject::new(code, format!("field {}: {problem}", field.name))
}

fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Id => "an id (an integer, not negative)",
        Kind::String => "a string",
        Kind::Int => "an integer",
        Kind::Decimal(_) => "a number",
        Kind::Bool => "true or false",
        Kind::Timestamp => "an rfc 3339 timestamp or an integer",
        Kind::StringSet => "strings",
        Kind::IdSet => "ids (integers, not negative)",
    }
}

fn found(first: u8) -> &'static str {
    match first {
        b'"' => "a string that is not one",
        b'{' => "an object",
        b'[' => "an array",
        b't' | b'f' => "true or false",
        _ => "a number",
    }
}

export!(Flatten);

#[cfg(test)]
mod tests;
