//! Any service that takes JSON by POST or PUT: an array, lines, or what a template puts around the rows.

use super::client::{Response, body, client, exchange, headers};
use super::endpoint::{Answer, Endpoint, Frame, PART, Row};
use super::json::{Checker, Kind, push_line};
use super::secrets::Secrets;
use super::wanted::Wanted;
use crate::config::{Address, HttpFormat, HttpSink as Config, RefusedRows};
use crate::finding::Finding;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::Value;
use std::sync::Arc;

/// See the module.
pub struct Plain {
    client: Client,
    secrets: Arc<Secrets>,
    method: Method,
    url: Address,
    headers: HeaderMap,
    frame: Frame,
    lines: bool,
    retry: Vec<u16>,
    refused: Option<RefusedRows>,
    gzip: bool,
}

impl Plain {
    /// Makes one for all workers of a pipeline. Nothing is sent yet.
    ///
    /// # Errors
    /// A file of certificates cannot be used, or a header cannot be sent.
    pub fn new(config: &Config) -> Result<Self, String> {
        let kind = if config.format == HttpFormat::Lines { "application/x-ndjson" } else { "application/json" };
        let frame = |open: &str, between: &str, close: &str| Frame {
            open: open.into(),
            between: between.into(),
            close: close.into(),
        };
        let frame = match &config.format {
            HttpFormat::Array => frame("[", ",", "]"),
            HttpFormat::Lines => frame("", "\n", "\n"),
            HttpFormat::Template { open, close } => frame(open, ",", close),
        };
        Ok(Self {
            client: client(&config.client)?,
            secrets: Arc::new(Secrets::new(&config.client.secrets)),
            method: if config.put { Method::PUT } else { Method::POST },
            url: config.url.clone(),
            headers: headers(kind, &config.headers)?,
            frame,
            lines: config.format == HttpFormat::Lines,
            retry: config.retry.clone(),
            refused: config.refused.clone(),
            gzip: config.client.gzip,
        })
    }

    fn judge(&self, response: &Response, rows: usize) -> Answer {
        let message = || format!("{}: {}", self.url, response.shown());
        let status = response.status.as_u16();
        if self.retry.contains(&status) {
            return Answer::Again { message: message(), after: response.retry_after(), slower: false };
        }
        let refused = self.refused.as_ref().map_or(Ok(Vec::new()), |refused| read(refused, &response.body, rows));
        let told =
            |rows: Vec<(u32, String)>| rows.into_iter().map(|(row, why)| (row, self.secrets.tell(&why))).collect();
        match (status, refused) {
            (200..=299, Ok(rows)) if !rows.is_empty() => Answer::Refused(told(rows)),
            // a request that is refused, and why: most services have taken none of it then
            (400 | 409 | 422, Ok(rows)) if !rows.is_empty() => Answer::Guilty(told(rows)),
            (200..=299, Ok(_)) => Answer::Taken,
            (200..=299, Err(why)) => {
                let why = self.secrets.tell_shortly(&why);
                Answer::Again { message: format!("{}: {why}", message()), after: None, slower: false }
            }
            _ => response.verdict(&self.url).unwrap_or_else(|| Answer::RefusedWhole(message())),
        }
    }
}

impl Endpoint for Plain {
    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn encode(&self, row: Row<'_>, checker: &mut Checker, text: &mut Vec<u8>) -> Result<(), String> {
        let value = checker.check(row.value, Kind::Any)?;
        if self.lines {
            push_line(value, text);
        } else {
            text.extend_from_slice(value);
        }
        Ok(())
    }

    async fn send(&self, text: Bytes, rows: usize, wanted: &Wanted) -> Answer {
        let request = self.client.request(self.method.clone(), self.url.whole()).headers(self.headers.clone());
        match exchange(body(request, text, self.gzip), &self.secrets, wanted).await {
            Ok(response) => self.judge(&response, rows),
            Err(answer) => answer,
        }
    }

    /// Asks what the address can do, which changes nothing there (RFC 9110, 9.2.1 and 9.3.7). Services that do not know the
    /// question answer it with 4xx: so only an answer is wanted, not a good one.
    async fn probe(&self) -> Vec<Finding> {
        let request = self.client.request(Method::OPTIONS, self.url.whole()).headers(self.headers.clone());
        let (about, url) = ("server", &self.url);
        let finding = match exchange(request, &self.secrets, &Wanted::default()).await {
            Err(answer) => Finding::bad(PART, about, answer.reason()),
            Ok(response) if matches!(response.status.as_u16(), 502..=504) => {
                Finding::bad(PART, about, format!("{url}: {}; is the service behind it up?", response.shown()))
            }
            Ok(response) => {
                let what = format!("{url} is reached, and answers OPTIONS with {}", response.status);
                Finding::good(PART, about, format!("{what}; whether it takes rows only rows can tell"))
            }
        };
        vec![finding]
    }
}

/// Reads which rows were refused, where an answer tells.
///
/// # Errors
/// It is not what the configuration says that it is.
pub(super) fn read(refused: &RefusedRows, body: &[u8], rows: usize) -> Result<Vec<(u32, String)>, String> {
    let no_list = || format!("the answer has no list at `{}`, where the refused rows should be", refused.list);
    if body.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let answer: Value = serde_json::from_slice(body).map_err(|_| no_list())?;
    let list = match answer.pointer(&refused.list) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(list) => list.as_array().ok_or_else(no_list)?,
    };
    let mut all = Vec::new();
    for (place, item) in list.iter().enumerate() {
        if let Some(failed) = &refused.failed
            && item.pointer(failed).is_none_or(|value| matches!(value, Value::Null | Value::Bool(false)))
        {
            continue;
        }
        let row = match &refused.row {
            None => Some(place as u64),
            Some(row) => item.pointer(row).and_then(|number| number.as_u64().or_else(|| number.as_str()?.parse().ok())),
        };
        let row = row.filter(|row| *row < rows as u64);
        let row = row.ok_or_else(|| format!("the answer refuses a row that was not sent: {item}"))?;
        let said = refused.message.as_ref().and_then(|message| item.pointer(message));
        let message = match said.unwrap_or(item) {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        all.push((row as u32, message));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn rows(list: &str, row: Option<&str>, failed: Option<&str>, body: &Value) -> Result<Vec<(u32, String)>, String> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let refused =
            RefusedRows { list: list.to_owned(), row: text(row), failed: text(failed), message: text(Some("/why")) };
        read(&refused, body.to_string().as_bytes(), 3)
    }

    #[test]
    fn refused_rows_are_told_by_number_or_by_place() {
        let by_number = json!({ "errors": [{ "row": 2, "why": "late" }, { "row": "0" }] });
        let found = rows("/errors", Some("/row"), None, &by_number).unwrap();
        assert_eq!(found, [(2, "late".to_owned()), (0, json!({ "row": "0" }).to_string())]);
        let by_place = json!({ "items": [{ "error": null }, { "error": { "type": "x" }, "why": "bad" }, {}] });
        assert_eq!(rows("/items", None, Some("/error"), &by_place).unwrap(), [(1, "bad".to_owned())]);
        assert_eq!(rows("/errors", Some("/row"), None, &json!({})), Ok(Vec::new()));
    }

    #[test]
    fn an_answer_that_is_another_one_is_an_error() {
        assert!(rows("/errors", Some("/row"), None, &json!({ "errors": "many" })).is_err());
        assert!(rows("/errors", Some("/row"), None, &json!({ "errors": [{ "row": 3 }] })).is_err());
        assert!(rows("/errors", Some("/row"), None, &json!({ "errors": [{}] })).is_err());
    }

    fn item() -> impl Strategy<Value = Value> {
        let row = prop_oneof![
            (0u64..5).prop_map(Value::from),
            "[0-9]{0,3}|-1|x".prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            Just(Value::Null),
        ];
        let failed =
            prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), Just(json!({})), Just(json!(0))];
        prop_oneof![
            (row, failed).prop_map(|(row, failed)| json!({ "row": row, "failed": failed, "why": "no" })),
            Just(json!([])),
            Just(json!("x")),
        ]
    }

    proptest! {
        #[test]
        fn no_row_that_an_answer_refuses_is_left_out(items in proptest::collection::vec(item(), 0..5), by_place in any::<bool>()) {
            let row = if by_place { None } else { Some("/row") };
            for failed in [None, Some("/failed")] {
                let is_failed = |item: &&Value| match failed {
                    None => true,
                    Some(_) => !matches!(item.get("failed"), None | Some(Value::Null | Value::Bool(false))),
                };
                let told = items.iter().filter(is_failed).count();
                if let Ok(found) = rows("/errors", row, failed, &json!({ "errors": items })) {
                    prop_assert_eq!(found.len(), told);
                    prop_assert!(found.iter().all(|(row, _)| *row < 3));
                }
            }
        }
    }
}
