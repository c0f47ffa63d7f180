//! The table: the statements that name it, and whether it is as it is configured.

use super::answer::{self, Server};
use crate::config::{ColumnType, Featurebase, Id, SqlColumn};
use crate::http::endpoint::{Answer, Frame};
use serde_json::Value;
use std::fmt::Write;

/// The least and the greatest whole number that a column takes.
pub(super) type Range = (i64, i64);

/// See the module.
pub(super) struct Table {
    name: String,
    columns: Vec<SqlColumn>,
    id: Id,
    create: bool,
}

impl Table {
    pub(super) fn new(config: &Featurebase) -> Self {
        let Featurebase { table, columns, id, create_table, .. } = config;
        Self { name: table.clone(), columns: columns.clone(), id: id.clone(), create: *create_table }
    }

    /// What stands around lines. A statement of more rows than `BATCHSIZE` would be done in parts: there never are more.
    pub(super) fn frame(&self, rows: usize) -> Frame {
        let (mut names, mut map) = ("\"_id\"".to_owned(), format!("'$[0]' {}", self.id_type()));
        for (place, column) in (1..).zip(&self.columns) {
            let _ = write!(names, ",\"{}\"", column.name);
            let _ = write!(map, ",'$[{place}]' {}", column.kind);
        }
        let open = format!("BULK INSERT INTO \"{}\" ({names}) MAP ({map}) FROM x'", self.name);
        let close = format!("' WITH FORMAT 'NDJSON' INPUT 'STREAM' BATCHSIZE {rows}");
        Frame { open: open.into(), between: b"\n".to_vec(), close: close.into() }
    }

    /// What it is called where something is told of it.
    pub(super) fn about(&self) -> String {
        format!("table {}", self.name)
    }

    fn id_type(&self) -> &'static str {
        if self.id.number { "id" } else { "string" }
    }

    /// Makes the table, where that is wanted.
    pub(super) fn create(&self) -> Option<String> {
        self.create.then(|| self.statement("CREATE TABLE IF NOT EXISTS"))
    }

    fn statement(&self, create: &str) -> String {
        let columns: Vec<_> = self.columns.iter().map(definition).collect();
        format!("{create} \"{}\" (\"_id\" {}, {})", self.name, self.id_type(), columns.join(", "))
    }

    /// Asks for the table's columns.
    pub(super) fn show(&self) -> String {
        format!("SHOW COLUMNS FROM \"{}\"", self.name)
    }

    /// Deletes rows by their ids, as they stand in lines.
    pub(super) fn delete(&self, ids: &[&[u8]]) -> Vec<u8> {
        let mut statement = format!("DELETE FROM \"{}\" WHERE \"_id\" IN (", self.name).into_bytes();
        for (place, id) in ids.iter().enumerate() {
            if place > 0 {
                statement.push(b',');
            }
            // quotes are doubled already, as in all lines; a literal that begins with `x` may have line ends
            match serde_json::from_slice::<String>(id) {
                Ok(text) => statement.extend_from_slice(format!("x'{text}'").as_bytes()),
                Err(_) => statement.extend_from_slice(id),
            }
        }
        statement.push(b')');
        statement
    }

    /// What it means that the table was not made.
    pub(super) fn cannot_be_made(&self, answer: Answer) -> Answer {
        match answer {
            Answer::RefusedWhole(message) | Answer::Fatal(message) => {
                Answer::Fatal(format!("the table `{}` cannot be made: {message}", self.name))
            }
            other => other,
        }
    }

    /// Compares the table's columns with the configured ones. Gives what numbers each of the latter takes.
    ///
    /// # Errors
    /// What a person must correct, or that it is not known.
    pub(super) fn compare(&self, told: &[u8], server: Server<'_>) -> Result<Vec<Range>, Answer> {
        let rows = match answer::rows(told, server) {
            Ok(rows) => rows,
            Err(Answer::Fatal(message)) if message.ends_with("' not found") => {
                let remedy = self.statement("CREATE TABLE");
                return Err(Answer::Fatal(format!(
                    "there is no table `{}`: {message}; write `create_table = true`, or make it: {remedy}",
                    self.name
                )));
            }
            Err(other) => return Err(other),
        };
        let found: Vec<Found> = rows.iter().filter_map(|row| Found::read(row)).collect();
        if found.is_empty() {
            return Err(server.again(&format!("the answer does not tell the columns of `{}`", self.name)));
        }
        let mut wrong = Vec::new();
        if let Some(id) = found.iter().find(|found| found.name == "_id")
            && id.kind != self.id_type()
        {
            let remedy = match self.id.number {
                true => "leave `type = \"id\"` out of `id`",
                false => "write `id = { template = \"{…}\", type = \"id\" }`, with one field",
            };
            wrong.push(format!("its `_id` is of type `{}`, and `id` makes `{}`: {remedy}", id.kind, self.id_type()));
        }
        let mut ranges = Vec::new();
        for column in &self.columns {
            match found.iter().find(|found| found.name == column.name) {
                None => wrong.push(format!(
                    "it has no column `{}`: ALTER TABLE \"{}\" ADD COLUMN {}",
                    column.name,
                    self.name,
                    definition(column)
                )),
                Some(found) => match found.takes(column.kind) {
                    true => ranges.push(found.range),
                    false => wrong.push(format!(
                        "its column `{}` is of type `{}`, and not `{}`: correct `columns`",
                        column.name,
                        found.shown(),
                        column.kind
                    )),
                },
            }
        }
        match wrong.is_empty() {
            true => Ok(ranges),
            false => Err(Answer::Fatal(format!("the table `{}` at {}: {}", self.name, server.url, wrong.join("; ")))),
        }
    }
}

/// A column in `CREATE TABLE`.
fn definition(column: &SqlColumn) -> String {
    let mut text = format!("\"{}\" {}", column.name, column.kind);
    match column.kind {
        ColumnType::Int { min, max } => {
            for (word, bound) in [("min", min), ("max", max)] {
                if let Some(bound) = bound {
                    let _ = write!(text, " {word} {bound}");
                }
            }
        }
        // else fractions of seconds are lost
        ColumnType::Timestamp(_) => text.push_str(" timeunit 'ms'"),
        _ => {}
    }
    text
}

/// A column as the server shows it.
struct Found {
    name: String,
    kind: String,
    scale: i64,
    range: Range,
}

impl Found {
    fn read(row: &[(String, Value)]) -> Option<Self> {
        let field = |name: &str| row.iter().find(|(field, _)| field == name).map(|(_, value)| value);
        let text = |name| field(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name| field(name).and_then(Value::as_i64);
        let kind = text("type")?;
        // a column without a range shows zeros
        let range = match (number("min"), number("max")) {
            (Some(min), Some(max)) if kind == "int" && min < max => (min, max),
            _ => (i64::MIN, i64::MAX),
        };
        Some(Self { name: text("name")?, kind, scale: number("scale").unwrap_or(0), range })
    }

    fn shown(&self) -> String {
        if self.kind == "decimal" { format!("decimal({})", self.scale) } else { self.kind.clone() }
    }

    fn takes(&self, kind: ColumnType) -> bool {
        match (kind, self.kind.as_str()) {
            (ColumnType::Decimal(scale), "decimal") => i64::from(scale) <= self.scale,
            (ColumnType::StringSet, "stringsetq") | (ColumnType::IdSet, "idsetq") => true,
            (ColumnType::Decimal(_), _) => false,
            (kind, found) => kind.to_string() == found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn table() -> Table {
        let column =
            |name: &str, kind| SqlColumn { name: name.to_owned(), from: vec![name.to_owned()], kind, required: false };
        let columns = vec![
            column("delay", ColumnType::Int { min: Some(-60), max: None }),
            column("fare", ColumnType::Decimal(2)),
            column("at", ColumnType::Timestamp(None)),
            column("tags", ColumnType::StringSet),
        ];
        Table { name: "flights".to_owned(), columns, id: Id::default(), create: true }
    }

    fn shown(columns: &[(&str, &str, i64, i64, i64)]) -> Vec<u8> {
        let names = ["_id", "name", "type", "scale", "min", "max"].map(|name| json!({ "name": name }));
        let row =
            |(name, kind, scale, min, max): &(&str, &str, i64, i64, i64)| json!([name, name, kind, scale, min, max]);
        let rows: Vec<_> = columns.iter().map(row).collect();
        json!({ "schema": { "fields": names }, "data": rows }).to_string().into_bytes()
    }

    #[test]
    fn statements_name_the_columns_in_their_order() {
        let frame = table().frame(500);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        assert_eq!(
            text(&frame.open),
            "BULK INSERT INTO \"flights\" (\"_id\",\"delay\",\"fare\",\"at\",\"tags\") MAP ('$[0]' string,'$[1]' int,\
             '$[2]' decimal(2),'$[3]' timestamp,'$[4]' stringset) FROM x'"
        );
        assert_eq!(text(&frame.close), "' WITH FORMAT 'NDJSON' INPUT 'STREAM' BATCHSIZE 500");
        assert_eq!(
            table().create().unwrap(),
            "CREATE TABLE IF NOT EXISTS \"flights\" (\"_id\" string, \"delay\" int min -60, \"fare\" decimal(2), \"at\" \
             timestamp timeunit 'ms', \"tags\" stringset)"
        );
        let ids: [&[u8]; 3] = [br#""it''s\n""#, b"12", br#""a""#];
        assert_eq!(text(&table().delete(&ids)), "DELETE FROM \"flights\" WHERE \"_id\" IN (x'it''s\n',12,x'a')");
    }

    #[test]
    fn a_table_that_is_another_one_is_told_with_all_that_differs() {
        let good = [
            ("_id", "string", 0, 0, 0),
            ("delay", "int", 0, -100, 100),
            ("fare", "decimal", 4, -9, 9),
            ("at", "timestamp", 0, 0, 0),
            ("tags", "stringsetq", 0, 0, 0),
        ];
        let ranges = table().compare(&shown(&good), Server::test()).unwrap();
        assert_eq!(ranges[..2], [(-100, 100), (i64::MIN, i64::MAX)]);
        let bad = [("_id", "id", 0, 0, 0), ("delay", "string", 0, 0, 0), ("fare", "decimal", 1, 0, 0), good[3]];
        let Err(Answer::Fatal(message)) = table().compare(&shown(&bad), Server::test()) else { panic!("it is taken") };
        assert_eq!(
            message,
            "the table `flights` at u: its `_id` is of type `id`, and `id` makes `string`: write `id = { template = \"{…}\", \
             type = \"id\" }`, with one field; its column `delay` is of type `string`, and not `int`: correct `columns`; its \
             column `fare` is of type `decimal(1)`, and not `decimal(2)`: correct `columns`; it has no column `tags`: ALTER \
             TABLE \"flights\" ADD COLUMN \"tags\" stringset"
        );
        for strange in
            [&b"{}"[..], b"", b"{\"data\":[]}", b"{\"data\":[[1]],\"schema\":{\"fields\":[{\"name\":\"type\"}]}}"]
        {
            assert!(matches!(table().compare(strange, Server::test()), Err(Answer::Again { .. })));
        }
        let missing = json!({ "error": "[1:19] table 'flights' not found", "execution-time": 0 }).to_string();
        let Err(Answer::Fatal(message)) = table().compare(missing.as_bytes(), Server::test()) else {
            panic!("it is taken")
        };
        assert!(message.contains("write `create_table = true`, or make it: CREATE TABLE \"flights\""), "{message}");
    }
}
