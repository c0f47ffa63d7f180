//! Flattens nested JSON to the flat record of a FeatureBase table: the flights' by default. The README has the rules.

mod coerce;
mod number;
mod schema;
mod walk;

use coerce::Mismatch;
use edgemill_guest::{Buffer, Outputs, Record, Reject, Result, Transform, export};
use number::Misfit;
pub use schema::Config;
use schema::{Field, Kind, OnMissing, Schema};
use walk::Slot;

/// The transform, made from its schema.
pub struct Flatten {
    schema: Schema,
    slots: Vec<Slot>,
}

impl Transform for Flatten {
    type Config = Config;

    fn configure(config: Config) -> Result<Flatten, String> {
        let schema = Schema::compile(config)?;
        Ok(Flatten { slots: vec![Slot::Missing; schema.slots], schema })
    }

    fn transform(&mut self, record: &Record<'_>, out: &mut Outputs<'_>) -> Result {
        let Some(value) = record.value() else {
            out.keep();
            return Ok(());
        };
        walk::walk(value, &self.schema, &mut self.slots)?;
        self.write(value, &mut out.value())
    }
}

impl Flatten {
    /// Writes the flat record from the slots.
    #[inline]
    fn write(&self, record: &[u8], out: &mut Buffer) -> Result {
        let Schema { fields, prefixes, on_missing, .. } = &self.schema;
        for field in fields {
            let value = match self.slots[field.slot] {
                Slot::Value(start, end) if record[start] != b'n' => Some((start, end)),
                Slot::Value(..) | Slot::Missing => None,
                Slot::NoObject => return Err(above(field)),
            };
            if value.is_none() && (field.id || *on_missing == OnMissing::Reject) {
                return Err(missing(field));
            }
            if value.is_none() && *on_missing == OnMissing::Omit {
                continue;
            }
            out.extend_from(prefixes, field.prefix.0, field.prefix.1);
            match value {
                None => out.push_str("null"),
                Some((start, end)) => {
                    if let Err(mismatch) = coerce::write(field.kind, record, start, end, out) {
                        return Err(unfit(field, mismatch, record[start]));
                    }
                }
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
