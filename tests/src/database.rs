//! A FeatureBase server for scenarios: the one that `FEATUREBASE_URL` names, else the stand-in, which fails as it is told.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::featurebase::{Faults, Featurebase, LOOK};
use crate::http;
use crate::records::unique;

/// A server, and a table of its own for the scenario.
#[derive(Debug)]
pub struct Database {
    url: String,
    /// The name of the scenario's table, which need not be there.
    pub table: String,
    stand_in: Option<Featurebase>,
}

impl Database {
    /// Finds the real one, or starts the stand-in. A real one has no faults.
    ///
    /// # Errors
    /// No port is free.
    pub fn start(faults: Faults) -> Result<Self> {
        if let Ok(url) = std::env::var("FEATUREBASE_URL") {
            let url = url.trim_end_matches('/').to_owned();
            return Ok(Self { url, table: unique("scenario"), stand_in: None });
        }
        Self::imitated(faults)
    }

    /// Starts the stand-in, for what a real one cannot be asked to do.
    ///
    /// # Errors
    /// No port is free.
    pub fn imitated(faults: Faults) -> Result<Self> {
        let stand_in = Featurebase::start(faults)?;
        Ok(Self { url: stand_in.server_url(), table: unique("scenario"), stand_in: Some(stand_in) })
    }

    /// For a sink's `url`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The stand-in, where it is none of the real ones.
    #[must_use]
    pub fn stand_in(&self) -> Option<&Featurebase> {
        self.stand_in.as_ref()
    }

    /// Executes a statement, in which `@` is the table. Gives the answer as it is.
    ///
    /// # Errors
    /// Nobody answers, or not with JSON.
    pub fn ask(&self, statement: &str) -> Result<Value> {
        let statement = statement.replace('@', &format!("\"{}\"", self.table));
        let address = self.url.strip_prefix("http://").context("scenarios ask a server by http://")?;
        let answer = http::send(address, "/sql", &format!("{LOOK}: 1\r\n"), &statement)?;
        serde_json::from_str(&answer.body).with_context(|| format!("the answer to {statement}: {answer:?}"))
    }

    /// Executes a statement that must work.
    ///
    /// # Errors
    /// It did not.
    pub fn execute(&self, statement: &str) -> Result<Value> {
        let answer = self.ask(statement)?;
        ensure!(answer.get("error").is_none(), "{statement}: {answer}");
        Ok(answer)
    }

    /// How many rows the table has; none where there is no table.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn count(&self) -> Result<usize> {
        Ok(self.ask("SELECT count(*) FROM @")?["data"][0][0].as_u64().unwrap_or(0) as usize)
    }

    /// The table's rows by `_id`, as text: the other columns in their order.
    ///
    /// # Errors
    /// There is no table.
    pub fn rows(&self) -> Result<BTreeMap<String, Vec<Value>>> {
        let answer = self.execute("SELECT * FROM @")?;
        let rows = answer["data"].as_array().context("an answer without rows")?;
        let row = |row: &Value| {
            let mut values = row.as_array()?.clone();
            let id = values.remove(0);
            // a set has no order
            values.iter_mut().filter_map(Value::as_array_mut).for_each(|set| set.sort_by_key(Value::to_string));
            Some((id.as_str().map_or_else(|| id.to_string(), str::to_owned), values))
        };
        let found: BTreeMap<_, _> = rows.iter().filter_map(row).collect();
        ensure!(found.len() == rows.len(), "of {} rows some have one `_id`", rows.len());
        Ok(found)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.stand_in.is_none() {
            // what is left in a real one is nobody's: the name is the scenario's own
            drop(self.ask("DROP TABLE @"));
        }
    }
}
