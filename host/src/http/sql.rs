//! A FeatureBase server's `POST /sql`: a table's rows by `BULK INSERT`, all of a request or none.
//!
//! A body is the statement, with a line of JSON for each row: `["id",value,…]`. The server tells what went wrong in the
//! answer's text, and of one row only: [`RefusedWhole`](Answer::RefusedWhole). What it would take and spoil without a
//! word (docs/decisions/0021) is refused before, row by row.

mod answer;
mod row;
mod steps;
mod table;
mod value;

use super::client::{client, exchange, headers};
use super::endpoint::{Answer, Endpoint, Frame, PART, Row};
use super::json::Checker;
use super::secrets::Secrets;
use super::wanted::Wanted;
use crate::config::{Address, Featurebase as Config};
use crate::finding::Finding;
use answer::Server;
use bytes::Bytes;
use reqwest::Client;
use reqwest::header::HeaderMap;
use row::Rows;
use std::sync::Arc;
use std::time::Duration;
use table::{Range, Table};
use tokio::sync::OnceCell;

/// Rows that one statement deletes: the server takes more than twice as long for twice as many.
const DELETED: usize = 1000;

/// How long the table may take to be looked at, or made.
const LOOK: Duration = Duration::from_secs(10);

/// See the module.
pub struct Sql {
    client: Client,
    secrets: Arc<Secrets>,
    url: Address,
    headers: HeaderMap,
    look: Duration,
    frame: Frame,
    table: Table,
    rows: Rows,
    /// What the table's columns take, once it was looked at.
    ranges: OnceCell<Vec<Range>>,
}

impl Sql {
    /// Makes one for all workers of a pipeline. Nothing is sent yet.
    ///
    /// # Errors
    /// A file of certificates cannot be used, or a header cannot be sent.
    pub fn new(config: &Config) -> Result<Self, String> {
        let table = Table::new(config);
        Ok(Self {
            client: client(&config.client)?,
            secrets: Arc::new(Secrets::new(&config.client.secrets)),
            url: Address::new(format!("{}/sql", config.url.whole())),
            headers: headers("text/plain", &config.headers)?,
            look: config.client.timeout.min(LOOK),
            frame: table.frame(config.batch.records),
            table,
            rows: Rows::new(config),
            ranges: OnceCell::new(),
        })
    }

    /// Makes the table where that is configured, and compares its columns with those that are configured, once. It takes no longer
    /// than [`LOOK`].
    ///
    /// # Errors
    /// [`Answer::Fatal`] where a person must correct something, [`Answer::Again`] where it is not known.
    pub async fn connect(&self) -> Result<(), Answer> {
        let look = || async {
            if let Some(statement) = self.table.create() {
                let made = self.look(statement).await?;
                answer::outcome(&made, self.server()).map_err(|answer| self.table.cannot_be_made(answer))?;
            }
            let told = self.look(self.table.show()).await?;
            self.table.compare(&told, self.server())
        };
        // a table that is being made is so too when nobody waits for it any more
        let looked = tokio::time::timeout(self.look, self.ranges.get_or_try_init(look)).await;
        let late = |_| self.server().again("no answer within the time for it");
        looked.map_err(late)?.map(|_| ())
    }

    fn server(&self) -> Server<'_> {
        Server { url: &self.url, secrets: &self.secrets }
    }

    async fn look(&self, statement: String) -> Result<Vec<u8>, Answer> {
        let request = self.client.post(self.url.whole()).headers(self.headers.clone()).timeout(self.look);
        let response = exchange(request.body(statement), &self.secrets, &Wanted::default()).await?;
        answer::body(response, &self.url)
    }

    async fn execute(&self, statement: Bytes, wanted: &Wanted) -> Result<(), Answer> {
        let request = self.client.post(self.url.whole()).headers(self.headers.clone()).body(statement);
        let told = answer::body(exchange(request, &self.secrets, wanted).await?, &self.url)?;
        answer::outcome(&told, self.server()).map_err(|answer| match answer {
            Answer::Fatal(message) => Answer::Fatal(format!("{message}; correct the table, or the configuration")),
            other => other,
        })
    }

    // Promise: order
    async fn try_send(&self, body: Bytes, wanted: &Wanted) -> Result<(), Answer> {
        self.connect().await?;
        let lines = body.len() - self.frame.close.len();
        let Some(steps) = self.rows.steps(&body[self.frame.open.len()..lines]) else {
            return self.execute(body, wanted).await;
        };
        // each may be done twice where a later one fails: in this order, that ends the same
        for step in steps {
            for ids in step.deletes.chunks(DELETED) {
                self.execute(self.table.delete(ids).into(), wanted).await?;
            }
            if !step.rows.is_empty() {
                let lines = step.rows.join(&self.frame.between[..]);
                let rows = [&self.frame.open[..], &lines, &self.frame.close].concat();
                self.execute(rows.into(), wanted).await?;
            }
        }
        Ok(())
    }
}

/// Whether an answer says that a statement did what it says: for the fuzz targets.
///
/// # Errors
/// It did not, or that is not known.
pub(super) fn statement_outcome(body: &[u8], url: &Address, secrets: &Secrets) -> Result<(), Answer> {
    answer::outcome(body, Server { url, secrets })
}

impl Endpoint for Sql {
    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn encode(&self, row: Row<'_>, _: &mut Checker, text: &mut Vec<u8>) -> Result<(), String> {
        self.rows.push(row, self.ranges.get().map_or(&[], Vec::as_slice), text)
    }

    async fn send(&self, body: Bytes, _: usize, wanted: &Wanted) -> Answer {
        self.try_send(body, wanted).await.err().unwrap_or(Answer::Taken)
    }

    async fn probe(&self) -> Vec<Finding> {
        let (about, makes) = (self.table.about(), self.table.create().is_some());
        let finding = match self.look(self.table.show()).await {
            Err(answer) => Finding::bad(PART, "server", answer.reason()),
            Ok(told) => match self.table.compare(&told, self.server()) {
                Ok(_) => Finding::good(PART, about, "it is there, and its columns are as configured"),
                // the server answers, and knows no such table
                Err(Answer::Fatal(_)) if makes && answer::rows(&told, self.server()).is_err() => {
                    Finding::good(PART, about, "it is not there, and is made at the start (`create_table`)")
                }
                Err(answer) => Finding::bad(PART, about, answer.reason()),
            },
        };
        vec![finding]
    }
}
