//! The configuration, and what it compiles to: a tree of names to look for and a list of fields to write.

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
    /// Which of the record's slots it is written from.
    pub slot: usize,
    /// Where in [`Schema::prefixes`] its `,"name":` is.
    pub prefix: (usize, usize),
    /// Whether it is the record's `_id`, which cannot be missing.
    pub id: bool,
}

/// Where a name of the source leads.
pub(crate) enum Target {
    /// To a value, kept in this slot.
    Slot(usize),
    /// To an object: the node, and all slots below it.
    Node(usize, Vec<usize>),
}

/// One name of an object in the source.
pub(crate) struct Child {
    /// The spellings, without regard to case.
    names: Vec<String>,
    /// Where it leads.
    pub target: Target,
}

/// An object of the source: the names to look for. Node 0 is the record.
#[derive(Default)]
pub(crate) struct Node {
    /// In the order of the schema.
    pub children: Vec<Child>,
}

impl Node {
    /// The child of this name, beginning the search at `guess`, which then moves behind it.
    #[inline]
    pub(crate) fn find(&self, name: &[u8], guess: &mut usize) -> Option<&Child> {
        let (before, after) = self.children.split_at((*guess).min(self.children.len()));
        for (at, child) in (before.len()..).zip(after).chain((0..).zip(before)) {
            if child.names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name)) {
                *guess = at + 1;
                return Some(child);
            }
        }
        None
    }
}

/// The compiled configuration.
pub(crate) struct Schema {
    /// The fields, in order.
    pub fields: Vec<Field>,
    /// The objects of the source.
    pub nodes: Vec<Node>,
    /// How many values are looked for.
    pub slots: usize,
    /// `,"name":` of all fields.
    pub prefixes: Vec<u8>,
    /// What becomes of missing fields.
    pub on_missing: OnMissing,
}

impl Schema {
    /// Compiles the configuration.
    pub(crate) fn compile(config: Config) -> Result<Schema, String> {
        let mut schema = Schema {
            fields: Vec::new(),
            nodes: vec![Node::default()],
            slots: 0,
            prefixes: Vec::new(),
            on_missing: config.on_missing,
        };
        let fields = match config.schema {
            Some(fields) => fields,
            None => serde_json::from_str(FLIGHTS).map_err(|error| error.to_string())?,
        };
        if fields.is_empty() {
            return Err("the schema has no fields".into());
        }
        for field in fields {
            schema.add(field)?;
        }
        // Block copies read a little behind the last prefix.
        schema.prefixes.extend([0; 16]);
        Ok(schema)
    }

    fn add(&mut self, field: FieldConfig) -> Result<(), String> {
        let name = field.name;
        if self.fields.iter().any(|known| known.name == name) {
            return Err(format!("field {name}: the schema has it twice"));
        }
        let kind = kind(&name, field.kind, field.scale.or(field.config.and_then(|options| options.scale)))?;
        let mut path = Vec::new();
        for segment in field.path {
            path.push(spellings(&name, segment)?);
        }
        let slot = self.slot(&name, &path)?;
        let start = self.prefixes.len();
        let quoted = serde_json::to_string(&name).map_err(|error| error.to_string())?;
        self.prefixes.extend(format!(",{quoted}:").bytes());
        let id = name == "_id";
        self.fields.push(Field { name, kind, slot, prefix: (start, self.prefixes.len()), id });
        Ok(())
    }

    /// The slot of a path, made where it is new.
    fn slot(&mut self, name: &str, path: &[Vec<String>]) -> Result<usize, String> {
        let Some((last, parents)) = path.split_last() else {
            return Err(format!("field {name}: the path is empty"));
        };
        let conflict = || format!("field {name}: its path leads to a value through another field's, or the other way");
        let mut node = 0;
        let mut passed = Vec::new();
        for names in parents {
            let at = self.child(name, node, names)?;
            let fresh = self.nodes.len();
            let Some(at) = at else {
                let target = Target::Node(fresh, Vec::new());
                passed.push((node, self.nodes[node].children.len()));
                self.nodes[node].children.push(Child { names: names.clone(), target });
                self.nodes.push(Node::default());
                node = fresh;
                continue;
            };
            let Target::Node(next, _) = self.nodes[node].children[at].target else { return Err(conflict()) };
            passed.push((node, at));
            node = next;
        }
        if let Some(at) = self.child(name, node, last)? {
            let Target::Slot(slot) = self.nodes[node].children[at].target else { return Err(conflict()) };
            return Ok(slot);
        }
        let slot = self.slots;
        self.slots += 1;
        self.nodes[node].children.push(Child { names: last.clone(), target: Target::Slot(slot) });
        for (node, at) in passed {
            if let Target::Node(_, below) = &mut self.nodes[node].children[at].target {
                below.push(slot);
            }
        }
        Ok(slot)
    }

    /// The child that shares a spelling with these; it takes the others on.
    fn child(&mut self, field: &str, node: usize, names: &[String]) -> Result<Option<usize>, String> {
        let children = &mut self.nodes[node].children;
        let shares = |child: &Child| child.names.iter().any(|known| names.contains(known));
        let Some(at) = children.iter().position(shares) else { return Ok(None) };
        if children[at + 1..].iter().any(shares) {
            return Err(format!("field {field}: the spellings {} belong to two names", names.join("|")));
        }
        for name in names {
            if !children[at].names.contains(name) {
                children[at].names.push(name.clone());
            }
        }
        Ok(Some(at))
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

/// The spellings of a path's segment, in lower case.
fn spellings(field: &str, segment: Segment) -> Result<Vec<String>, String> {
    let names = match segment {
        Segment::Name(name) => name.split('|').map(str::to_ascii_lowercase).collect::<Vec<_>>(),
        Segment::Names(names) => names.iter().map(|name| name.to_ascii_lowercase()).collect(),
    };
    if names.is_empty() || names.iter().any(String::is_empty) {
        return Err(format!("field {field}: a part of its path is empty"));
    }
    Ok(names)
}
