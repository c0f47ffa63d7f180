//! The configuration, and what it compiles to: a tree of names to look for and a list of fields to write.

use edgemill_guest::Piece;
use edgemill_guest::json::Paths;
use serde::Deserialize;

const FLIGHTS: &str = include_str!("flights.json");

/// The module's configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The fields of the flat record, in order; the flights table's where there is none.
    schema: Option<Vec<FieldConfig>>,
    #[serde(default)]
    on_missing: OnMissing,
}

/// What becomes of a field that the record lacks, or has as `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnMissing {
    /// It is written as `null`.
    #[default]
    Null,
    /// It is left out.
    Omit,
    /// The record is rejected.
    Reject,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldConfig {
    name: String,
    path: Vec<Segment>,
    #[serde(rename = "type")]
    kind: KindName,
    scale: Option<u8>,
    /// FeatureBase's other place for the scale.
    config: Option<FieldOptions>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldOptions {
    #[serde(alias = "Scale")]
    scale: Option<u8>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Segment {
    /// `location`, or `location|loc` for either.
    Name(String),
    /// `["location", "loc"]`.
    Names(Vec<String>),
}

impl Segment {
    /// The spellings with `|` between them.
    fn names(self) -> String {
        match self {
            Segment::Name(name) => name,
            Segment::Names(names) => names.join("|"),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindName {
    Id,
    String,
    Int,
    Decimal,
    Bool,
    Timestamp,
    #[serde(alias = "stringarray")]
    StringSet,
    #[serde(alias = "idarray")]
    IdSet,
}

/// A field's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An integer from 0 to 2^64 - 1.
    Id,
    /// Text.
    String,
    /// An integer of 64 bits.
    Int,
    /// A number with so many digits behind the point.
    Decimal(u8),
    /// `true` or `false`.
    Bool,
    /// RFC 3339 text, or an integer.
    Timestamp,
    /// Texts.
    StringSet,
    /// Ids.
    IdSet,
}

/// A field of the flat record.
pub(crate) struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// Which of the record's places it is written from.
    pub place: usize,
    /// How many digits it has behind the point, where it is a number.
    pub scale: Option<u8>,
    /// What stands before its value: `,"name":`.
    pub prefix: Piece,
    /// The whole of it where the record has null; none where that is refused.
    pub null: Option<Piece>,
    /// Nothing: what stands before the zeros of a number.
    pub nothing: Piece,
}

/// The compiled configuration.
pub(crate) struct Schema {
    /// The fields, in order.
    pub fields: Vec<Field>,
    /// What becomes of missing fields.
    pub on_missing: OnMissing,
}

impl Schema {
    /// Compiles the configuration.
    pub(crate) fn compile(config: Config) -> Result<(Schema, Paths), String> {
        let mut paths = Paths::ignoring_case();
        let mut schema = Schema { fields: Vec::new(), on_missing: config.on_missing };
        let fields = match config.schema {
            Some(fields) => fields,
            None => serde_json::from_str(FLIGHTS).map_err(|error| error.to_string())?,
        };
        if fields.is_empty() {
            return Err("the schema has no fields".into());
        }
        for field in fields {
            schema.add(field, &mut paths)?;
        }
        Ok((schema, paths))
    }

    fn add(&mut self, field: FieldConfig, paths: &mut Paths) -> Result<(), String> {
        let name = field.name;
        if self.fields.iter().any(|known| known.name == name) {
            return Err(format!("field {name}: the schema has it twice"));
        }
        let kind = kind(&name, field.kind, field.scale.or(field.config.and_then(|options| options.scale)))?;
        let path: Vec<String> = field.path.into_iter().map(Segment::names).collect();
        let place = paths.add(&path).map_err(|error| format!("field {name}: {error}"))?;
        let quoted = serde_json::to_string(&name).map_err(|error| error.to_string())?;
        let prefix = Piece::new(format!(",{quoted}:").as_bytes());
        let id = name == "_id";
        let null = match self.on_missing {
            OnMissing::Null if !id => Some(Piece::new(format!(",{quoted}:null").as_bytes())),
            OnMissing::Omit if !id => Some(Piece::new(b"")),
            _ => None,
        };
        let scale = match kind {
            Kind::Int | Kind::Id => Some(0),
            Kind::Decimal(scale) => Some(scale),
            _ => None,
        };
        self.fields.push(Field { name, kind, place, scale, prefix, null, nothing: Piece::new(b"") });
        Ok(())
    }
}

fn kind(field: &str, kind: KindName, scale: Option<u8>) -> Result<Kind, String> {
    if scale.is_some() && kind != KindName::Decimal {
        return Err(format!("field {field}: only a decimal has a scale"));
    }
    Ok(match kind {
        KindName::Id => Kind::Id,
        KindName::String => Kind::String,
        KindName::Int => Kind::Int,
        KindName::Decimal => match scale {
            Some(scale @ 0..=18) => Kind::Decimal(scale),
            Some(scale) => return Err(format!("field {field}: the scale {scale} is above 18")),
            None => return Err(format!("field {field}: a decimal needs a scale")),
        },
        KindName::Bool => Kind::Bool,
        KindName::Timestamp => Kind::Timestamp,
        KindName::StringSet => Kind::StringSet,
        KindName::IdSet => Kind::IdSet,
    })
}
