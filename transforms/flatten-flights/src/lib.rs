//! Flattens nested JSON to the flat record of a FeatureBase table: the flights' by default. The README has the rules.

mod coerce;
mod number;
mod schema;

use coerce::Mismatch;
use edgemill_guest::json::{Paths, Place};
use edgemill_guest::{Buffer, Cursor, Outputs, Record, Reject, Result, Transform, export};
use number::Misfit;
pub use schema::Config;
use schema::{Field, Kind, Schema};

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
    #[inline(never)]
    fn write(&self, record: &[u8], places: &[Place], out: &mut Buffer) -> Result {
        let mut cursor = out.cursor(record.len());
        for field in &self.fields {
            let place = places[field.place];
            if !push(field, record, place, &mut cursor) {
                let len = cursor.len();
                out.advance(len);
                write(field, record, place, out)?;
                cursor = out.cursor(record.len());
            }
        }
        let len = cursor.len();
        out.advance(len);
        // Every field begins with a comma: the first one's becomes the brace.
        match out.written_mut() {
            [first, ..] => *first = b'{',
            [] => out.push(b'{'),
        }
        out.push(b'}');
        Ok(())
    }
}

/// Writes a field where that is simple, as it nearly always is; false where it is not.
#[inline(always)]
fn push(field: &Field, record: &[u8], place: Place, cursor: &mut Cursor<'_>) -> bool {
    let Some(value) = place.range() else { return false };
    match record.get(value.start) {
        Some(b'"') if field.kind == Kind::String => cursor.push(&field.prefix, record, value.start, value.end),
        Some(b'n') => field.null.as_ref().is_some_and(|null| cursor.push_piece(null)),
        Some(b'0'..=b'9') => {
            let Some(zeros) = field.scale.and_then(|scale| number::zeros(record, value.clone(), scale)) else {
                return false;
            };
            cursor.push(&field.prefix, record, value.start, value.end)
                && (zeros.is_empty() || cursor.push(&field.nothing, number::ZEROS, zeros.start, zeros.end))
        }
        _ => false,
    }
}

/// Writes any field.
#[inline(never)]
fn write(field: &Field, record: &[u8], place: Place, out: &mut Buffer) -> Result {
    let value = place.range().filter(|value| record[value.start] != b'n');
    let Some(value) = value else {
        return match &field.null {
            _ if place.is_blocked() => Err(above(field)),
            Some(null) => {
                out.push_piece(null);
                Ok(())
            }
            None => Err(missing(field)),
        };
    };
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
