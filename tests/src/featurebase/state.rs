//! What the stand-in knows, keeps and counts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::faults::{Faults, Way};
use super::sql::Tables;
use super::{Head, Kept, PASSWORD, Told, USERNAME};

/// Whether a login is made to wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Hang {
    #[default]
    No,
    /// The next one will.
    Next,
    /// One does.
    Now,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) faults: Faults,
    pub(super) random: Option<fastrand::Rng>,
    pub(super) tokens: Vec<(String, Instant)>,
    pub(super) logins: u32,
    pub(super) hang: Hang,
    pub(super) rows: BTreeMap<String, Kept>,
    /// By partition, the numbers in the order in which they were first taken.
    pub(super) order: BTreeMap<i64, Vec<i64>>,
    /// Requests by method and path, and with what their bodies are.
    pub(super) requests: BTreeMap<String, u32>,
    pub(super) bodies: BTreeMap<String, u32>,
    /// Requests by what was answered.
    pub(super) answers: BTreeMap<String, u32>,
    pub(super) largest: usize,
    tables: Tables,
    /// What is answered to who asks for late errors, and how often somebody did.
    pub(super) later: (u16, String),
    pub(super) asked_later: u32,
}

impl State {
    /// What becomes of a request, where that is a fault. A scenario that looks at the tables must see them, and a login is a login.
    pub(super) fn way(&mut self, head: &Head) -> Option<Way> {
        let (_, path) = head.words();
        if head.is_look() || path == "/login" || path.ends_with("/errors") {
            return None;
        }
        let way = self.faults.way(path, self.random.as_mut()?);
        if way == Some(Way::Reset) {
            self.note(head);
            self.answered(None, way);
        }
        way
    }

    /// Counts a request.
    pub(super) fn note(&mut self, head: &Head) {
        let (method, path) = head.words();
        let line = format!("{method} {path}");
        let kinds = ["content-type", "content-encoding"].into_iter().filter_map(|name| head.header(name));
        let body = [line.as_str()].into_iter().chain(kinds).collect::<Vec<_>>().join(" ");
        *self.bodies.entry(body).or_default() += 1;
        *self.requests.entry(line).or_default() += 1;
    }

    /// Counts an answer.
    pub(super) fn answered(&mut self, told: Option<&Told>, way: Option<Way>) {
        let what = match (told, way) {
            (Some((status, ..)), way) if !matches!(way, Some(Way::NotStored | Way::Strange)) => status.to_string(),
            (_, way) => way.map_or_else(String::new, |way| format!("{way:?}")),
        };
        *self.answers.entry(what).or_default() += 1;
    }

    pub(super) fn login(&mut self, body: &[u8]) -> Told {
        let told: Value = serde_json::from_slice(body).unwrap_or_default();
        if told != json!({ "USERNAME": USERNAME, "PASSWORD": PASSWORD }) {
            return (400, "", "Incorrect username or password.".to_owned());
        }
        self.logins += 1;
        let token = format!("token-{}", self.logins);
        let lasts = if self.faults.token.is_zero() { Duration::from_secs(3600) } else { self.faults.token };
        self.tokens.push((token.clone(), Instant::now() + lasts));
        (200, "", json!({ "AuthenticationResult": { "IdToken": token, "ExpiresIn": lasts.as_secs_f64() } }).to_string())
    }

    /// Whether a request shows a token that has not ended.
    pub(super) fn knows(&self, head: &Head) -> bool {
        let shown = head.header("authorization").unwrap_or_default();
        let known = |(token, until): &(String, Instant)| {
            shown.strip_prefix("Bearer ") == Some(token) && Instant::now() < *until
        };
        self.tokens.iter().any(known)
    }

    pub(super) fn take(&mut self, head: &Head, body: &[u8]) -> Told {
        match head.words().1 {
            "/v2/sinks/flights" => {
                if !self.knows(head) {
                    return (401, "", json!({ "message": "Unauthorized" }).to_string());
                }
                self.take_cloud(body)
            }
            "/plain" => self.take_plain(body),
            "/sql" => {
                let (told, rows) = self.tables.execute(body, &self.faults);
                self.largest = self.largest.max(rows);
                (200, "", told)
            }
            _ => (404, "", json!({ "message": "no such sink" }).to_string()),
        }
    }

    fn take_cloud(&mut self, body: &[u8]) -> Told {
        let told: Value = serde_json::from_slice(body).unwrap_or_default();
        let Some(records) = told["records"].as_array() else {
            return (400, "", json!({ "message": "no records" }).to_string());
        };
        let rows: Vec<&Value> = records.iter().map(|record| &record["value"]).collect();
        if rows.iter().any(|row| row.get("spoil").is_some() || self.faults.spoils(&id(row))) {
            return (400, "", json!({ "message": "a record misses a field" }).to_string());
        }
        let refused = self.keep(&rows);
        let record = |(place, _)| match refused.contains(&place) {
            true => json!({ "status": 400, "error_code": "BadValue", "error_message": "it says refuse" }),
            false => json!({ "status": 200 }),
        };
        let records: Vec<Value> = rows.iter().enumerate().map(record).collect();
        let (bad, good) = (refused.len(), rows.len() - refused.len());
        (200, "", json!({ "success_count": good, "error_count": bad, "records": records }).to_string())
    }

    fn take_plain(&mut self, body: &[u8]) -> Told {
        let rows: Vec<Value> = match serde_json::from_slice(body) {
            Ok(Value::Array(rows)) => rows,
            _ => serde_json::Deserializer::from_slice(body).into_iter().map_while(Result::ok).collect(),
        };
        let refused = self.keep(&rows.iter().collect::<Vec<_>>());
        let error = |place: &usize| json!({ "row": place, "why": "it says refuse" });
        (200, "", json!({ "errors": refused.iter().map(error).collect::<Vec<_>>() }).to_string())
    }

    /// Keeps rows, and gives the places of those that it does not.
    fn keep(&mut self, rows: &[&Value]) -> Vec<usize> {
        self.largest = self.largest.max(rows.len());
        let mut refused = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            let id = id(row);
            if row.get("refuse").is_some() || self.faults.refuses(&id) {
                refused.push(place);
                continue;
            }
            let kept = self.rows.entry(id).or_insert_with(|| Kept { row: (*row).clone(), times: 0 });
            // what came last counts
            kept.row = (*row).clone();
            kept.times += 1;
            if let (1, Some(partition), Some(n)) = (kept.times, row["partition"].as_i64(), row["n"].as_i64()) {
                self.order.entry(partition).or_default().push(n);
            }
        }
        refused
    }
}

/// What a row is kept by.
fn id(row: &Value) -> String {
    row["_id"].as_str().or(row["id"].as_str()).map_or_else(|| row.to_string(), str::to_owned)
}
