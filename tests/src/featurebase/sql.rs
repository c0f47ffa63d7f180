//! A stand-in for a FeatureBase server's `POST /sql`, as far as Edgemill and its scenarios use it. It was held beside a
//! real one: `the_stand_in_answers_as_a_server_does` has what they answered alike.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use super::Faults;
use super::tokens::{Kind as Word, Tokens};
use super::values::{Cell, Kind};

/// A line from which on the server reads nothing, and says nothing.
const LINE: usize = 65_535;

/// The tables.
#[derive(Debug, Default)]
pub(super) struct Tables(BTreeMap<String, Table>);

#[derive(Debug)]
struct Table {
    /// Whether `_id` is a text.
    keys: bool,
    columns: Vec<(String, Kind)>,
    rows: BTreeMap<Id, Row>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Id {
    Number(i64),
    Text(String),
}

/// What a row has: plain values, sets, and booleans, of which one may be both.
#[derive(Debug, Default)]
struct Row {
    plain: BTreeMap<String, Value>,
    sets: BTreeMap<String, BTreeSet<String>>,
    flags: BTreeMap<String, BTreeSet<bool>>,
}

/// An answer's fields and rows.
type Answer = (Vec<&'static str>, Vec<Value>);

impl Tables {
    /// Executes a statement. Gives the answer's body, and how many rows it had.
    pub(super) fn execute(&mut self, statement: &[u8], faults: &Faults) -> (String, usize) {
        let statement = String::from_utf8_lossy(statement);
        let mut rows = 0;
        let told = match self.try_execute(&statement, faults, &mut rows) {
            Ok((fields, data)) => {
                let fields: Vec<Value> = fields.into_iter().map(|name| json!({ "name": name })).collect();
                json!({ "schema": { "fields": fields }, "data": data, "execution-time": 12 })
            }
            // what fails while it is executed has the beginning of an answer already
            Err(error) => {
                let error = error.to_string();
                match error.starts_with("[1:") || error.starts_with("1:") || error == "EOF" {
                    true => json!({ "error": error, "execution-time": 0 }),
                    false => json!({ "schema": { "fields": [] }, "data": [], "error": error, "execution-time": 0 }),
                }
            }
        };
        (told.to_string(), rows)
    }

    fn try_execute(&mut self, statement: &str, faults: &Faults, rows: &mut usize) -> Result<Answer> {
        let mut tokens = Tokens::read(statement)?;
        let first = tokens.next()?;
        match first.text.to_ascii_uppercase().as_str() {
            "CREATE" => self.create(&mut tokens)?,
            "DROP" => {
                tokens.expect(&["TABLE"])?;
                let name = self.known(&mut tokens, "table")?;
                self.0.remove(&name);
            }
            "SHOW" => return self.show(&mut tokens),
            "SELECT" => return self.select(&mut tokens),
            "DELETE" => self.delete(&mut tokens)?,
            "BULK" => *rows = self.bulk_insert(&mut tokens, faults)?,
            _ => bail!("1:1: expected statement, found {}", first.text),
        }
        Ok((Vec::new(), Vec::new()))
    }

    /// The name of a table that is there.
    fn known(&self, tokens: &mut Tokens, what: &str) -> Result<String> {
        let name = tokens.next()?;
        ensure!(self.0.contains_key(&name.text), "[1:{}] {what} '{}' not found", name.column, name.text);
        Ok(name.text)
    }

    fn create(&mut self, tokens: &mut Tokens) -> Result<()> {
        tokens.expect(&["TABLE"])?;
        let if_not = tokens.is("IF");
        if if_not {
            tokens.expect(&["NOT", "EXISTS"])?;
        }
        let name = tokens.next()?.text;
        let mut columns = tokens.list(|tokens| Ok((tokens.next()?.text, column(tokens)?)))?;
        let id = columns.iter().position(|(name, _)| name == "_id");
        let Some((_, id)) = id.map(|at| columns.remove(at)) else { bail!("[1:1] _id column must be specified") };
        let fits = |name: &str| name.starts_with(|first: char| first.is_ascii_lowercase()) && !name.contains(' ');
        ensure!(
            fits(&name),
            "creating index: persisting index: validating name: '{name}': invalid index or field name"
        );
        match self.0.contains_key(&name) {
            true => ensure!(if_not, "[0:0] table or view '{name}' already exists"),
            false => {
                let table = Table { keys: id == Kind::String, columns, rows: BTreeMap::new() };
                self.0.insert(name, table);
            }
        }
        Ok(())
    }

    fn show(&self, tokens: &mut Tokens) -> Result<Answer> {
        if tokens.is("TABLES") {
            let row = |(name, table): (&String, &Table)| json!([name, name, table.keys]);
            return Ok((vec!["_id", "name", "keys"], self.0.iter().map(row).collect()));
        }
        tokens.expect(&["COLUMNS", "FROM"])?;
        let table = &self.0[&self.known(tokens, "table")?];
        let id = json!(["_id", "_id", if table.keys { "string" } else { "id" }, 0, 0, 0, ""]);
        let row = |(name, kind): &(String, Kind)| {
            let (scale, min, max, unit) = match *kind {
                Kind::Int(min, max) => (0, min, max, ""),
                Kind::Decimal(scale) => (scale, -(i64::MAX / 10i64.pow(scale)), i64::MAX / 10i64.pow(scale), ""),
                Kind::Timestamp(decimals) => (0, 0, 0, ["s", "ms", "us", "ns"][decimals as usize / 3]),
                _ => (0, 0, 0, ""),
            };
            json!([name, name, kind.name(), scale, min, max, unit])
        };
        let rows = std::iter::once(id).chain(table.columns.iter().map(row)).collect();
        Ok((vec!["_id", "name", "type", "scale", "min", "max", "timeunit"], rows))
    }

    fn select(&self, tokens: &mut Tokens) -> Result<Answer> {
        if tokens.is("count") {
            tokens.expect(&["(", "*", ")", "FROM"])?;
            let name = self.known(tokens, "table or view")?;
            return Ok((vec![""], vec![json!([self.0[&name].rows.len()])]));
        }
        tokens.expect(&["*", "FROM"])?;
        let table = &self.0[&self.known(tokens, "table or view")?];
        let row = |(id, row): (&Id, &Row)| {
            let id = match id {
                Id::Number(number) => json!(number),
                Id::Text(text) => json!(text),
            };
            let value = |(name, kind): &(String, Kind)| match kind {
                Kind::StringSet => json!(row.sets.get(name)),
                Kind::IdSet => row.sets.get(name).map_or(Value::Null, |set| {
                    set.iter().map(|item| item.trim_start_matches('0').parse::<i64>().unwrap_or(0)).collect()
                }),
                // of one that is both, it shows true
                Kind::Bool => json!(row.flags.get(name).and_then(BTreeSet::last)),
                _ => row.plain.get(name).cloned().unwrap_or_default(),
            };
            std::iter::once(id).chain(table.columns.iter().map(value)).collect()
        };
        Ok((Vec::new(), table.rows.iter().map(row).collect()))
    }

    fn delete(&mut self, tokens: &mut Tokens) -> Result<()> {
        tokens.expect(&["FROM"])?;
        let name = self.known(tokens, "table or view")?;
        let Some(table) = self.0.get_mut(&name) else { bail!("[1:13] table or view '{name}' not found") };
        tokens.expect(&["WHERE", "_id", "IN"])?;
        for word in tokens.list(Tokens::next)? {
            let text = word.kind == Word::Text;
            let [left, right] = if table.keys { ["string", "int"] } else { ["id", "string"] };
            ensure!(text == table.keys, "[1:22] types '{left}' and '{right}' are not equatable");
            table.rows.remove(&if text { Id::Text(word.text) } else { Id::Number(word.text.parse()?) });
        }
        Ok(())
    }

    fn bulk_insert(&mut self, tokens: &mut Tokens, faults: &Faults) -> Result<usize> {
        tokens.expect(&["INSERT", "INTO"])?;
        let name = self.known(tokens, "table")?;
        let columns = tokens.list(|tokens| Ok(tokens.next()?.text))?;
        tokens.expect(&["MAP"])?;
        let map = tokens.list(|tokens| Ok((tokens.next()?, column(tokens)?)))?;
        tokens.expect(&["FROM"])?;
        let data = tokens.next()?.text;
        tokens.expect(&["WITH", "FORMAT"])?;
        let format = tokens.next()?.text;
        tokens.expect(&["INPUT"])?;
        let input = tokens.next()?.text;
        ensure!(format == "NDJSON" && input == "STREAM", "[1:1] invalid format or input specifier");
        tokens.expect(&["BATCHSIZE"])?;
        let size = tokens.whole()? as usize;
        let Some(table) = self.0.get_mut(&name) else { bail!("[1:18] table '{name}' not found") };
        ensure!(columns.len() == map.len(), "[1:1] mismatch in the count of expressions and target columns");
        ensure!(columns.len() > 1, "[1:23] insert column list must have at least one non '_id' column specified");
        let mut targets = Vec::new();
        for (name, (path, from)) in columns.iter().zip(&map) {
            let id = if table.keys { Kind::String } else { Kind::Id };
            let own = table.columns.iter().find(|(column, _)| column == name).map(|(_, kind)| *kind);
            let Some(to) = own.or_else(|| (name == "_id").then_some(id)) else {
                bail!("[1:1] column '{name}' not found")
            };
            let [source, target] = [from.described(), to.described()];
            ensure!(
                to.takes(*from),
                "[1:{}] an expression of type '{source}' cannot be assigned to type '{target}'",
                path.column
            );
            targets.push((name.as_str(), path.text.as_str(), *from, to));
        }
        let mut batch = Vec::new();
        let mut rows = 0;
        for line in data.split('\n') {
            if line.len() > LINE {
                break;
            }
            if line.trim().is_empty() {
                continue;
            }
            batch.push(read(line, &targets)?);
            rows += 1;
            if batch.len() >= size {
                table.insert(std::mem::take(&mut batch), &targets, faults)?;
            }
        }
        table.insert(batch, &targets, faults)?;
        Ok(rows)
    }
}

type Target<'t> = (&'t str, &'t str, Kind, Kind);

/// A line's values, in the order of the columns.
fn read(line: &str, targets: &[Target<'_>]) -> Result<Vec<Cell>> {
    let mut values = serde_json::Deserializer::from_str(line).into_iter::<Value>();
    let value = match values.next() {
        Some(Ok(value)) => value,
        Some(Err(error)) => bail!("[0:0] unable to parse JSON '{line}': {error}"),
        None => bail!("[0:0] unable to parse JSON '{line}': EOF"),
    };
    let cell = |(_, path, from, _): &Target<'_>| {
        let place = path.strip_prefix("$[").and_then(|rest| rest.strip_suffix(']')?.parse::<usize>().ok());
        let (found, why) = match place {
            Some(place) => (value.get(place), format!("index {place} out of bounds")),
            None => {
                let key = path.strip_prefix("$.").unwrap_or(path);
                (value.get(key), format!("unknown key {key}"))
            }
        };
        let Some(found) = found else {
            bail!("[0:0] unable to evaluate JSONPath expression '{path}' in '{line}': {why}");
        };
        from.read(found)
    };
    targets.iter().map(cell).collect()
}

/// A column's type with what limits it.
fn column(tokens: &mut Tokens) -> Result<Kind> {
    let word = tokens.next()?;
    let mut kind = match word.text.to_ascii_lowercase().as_str() {
        "int" => Kind::Int(i64::MIN, i64::MAX),
        "decimal" => Kind::Decimal(u32::try_from(tokens.list(Tokens::whole)?[0])?),
        "string" => Kind::String,
        "stringset" => Kind::StringSet,
        "bool" => Kind::Bool,
        "timestamp" => Kind::Timestamp(0),
        "id" => Kind::Id,
        "idset" => Kind::IdSet,
        other => bail!("[1:{}] unknown type '{other}'", word.column),
    };
    loop {
        match &mut kind {
            Kind::Int(min, _) if tokens.is("min") => *min = tokens.whole()?,
            Kind::Int(_, max) if tokens.is("max") => *max = tokens.whole()?,
            Kind::Timestamp(decimals) if tokens.is("timeunit") => {
                let unit = tokens.next()?.text;
                let known = ["s", "ms", "us", "ns"].iter().position(|name| *name == unit);
                let Some(known) = known else { bail!("[1:{}] '{unit}' is not a valid time unit", word.column) };
                *decimals = known as u32 * 3;
            }
            _ => return Ok(kind),
        }
    }
}

impl Table {
    /// Stores rows: all, or none.
    fn insert(&mut self, batch: Vec<Vec<Cell>>, targets: &[Target<'_>], faults: &Faults) -> Result<()> {
        let mut stored = Vec::new();
        for (row, cells) in (1..).zip(batch) {
            let (mut id, mut values) = (None, Vec::new());
            for ((name, _, _, to), cell) in targets.iter().zip(cells) {
                if *name != "_id" {
                    values.push((*name, to.store(name, row, cell)?));
                    continue;
                }
                id = Some(match cell {
                    Cell::Plain(Value::String(text)) => Id::Text(text),
                    Cell::Plain(number) => Id::Number(number.as_i64().unwrap_or(-1)),
                    // an empty text was made null
                    _ if self.keys => bail!("adding record: record identifier cannot be an empty string"),
                    _ => bail!("adding record: unsupported id type <nil> value <nil>"),
                });
            }
            match &id {
                None => bail!("[1:1] insert column list must have '_id' column specified"),
                Some(Id::Number(number)) => {
                    ensure!(*number >= 0, "internal error _id value cannot be negative: {number}")
                }
                Some(Id::Text(text)) => {
                    ensure!(text.len() <= 32_768, "importing batch: translating col keys: key too large");
                    let refused = faults.refuses(text);
                    ensure!(
                        !refused,
                        "[0:0] inserting value into column '_id', row {row}, value '{text}' out of range"
                    );
                }
            }
            stored.extend(id.map(|id| (id, values)));
        }
        // booleans of one statement are put beside what they replace, not beside each other
        for (id, values) in &stored {
            let row = self.rows.entry(id.clone()).or_default();
            let flag = |(name, cell): &(&str, Cell)| {
                let is = targets.iter().any(|(target, .., to)| target == name && *to == Kind::Bool);
                (is && matches!(cell, Cell::Bool(_) | Cell::Null)).then(|| (*name).to_owned())
            };
            for name in values.iter().filter_map(flag) {
                row.flags.remove(&name);
            }
        }
        for (id, values) in stored {
            let row = self.rows.entry(id).or_default();
            for (name, cell) in values {
                match cell {
                    // null leaves what is there
                    Cell::Null => {}
                    Cell::Plain(value) => drop(row.plain.insert(name.to_owned(), value)),
                    Cell::Bool(flag) => drop(row.flags.entry(name.to_owned()).or_default().insert(flag)),
                    Cell::Set(items) => {
                        let item = |item: Value| match item {
                            Value::String(text) => text,
                            // in the order of numbers
                            other => format!("{:020}", other.as_i64().unwrap_or(0)),
                        };
                        row.sets.entry(name.to_owned()).or_default().extend(items.into_iter().map(item));
                    }
                }
            }
        }
        Ok(())
    }
}
