//! FeatureBase Cloud's streaming ingest endpoint: `{"records":[{"value":{…}},…]}`, and an answer that tells row by row.

use super::client::{ANSWER, Response, body, client, exchange_within};
use super::endpoint::{Answer, Endpoint, Frame, PART, Row};
use super::json::{Checker, Kind};
use super::secrets::Secrets;
use super::token::Session;
use super::wanted::Wanted;
use crate::config::{Address, FeaturebaseCloud, LateErrors};
use crate::finding::Finding;
use bytes::Bytes;
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;

/// What the endpoint answers where a request came too fast: with status 400.
const TOO_FAST: &str = "ResourceThroughputExceeded";

/// What to do where a new token is refused.
const NO_RIGHT: &str = "this user's token is not taken there: correct `endpoint`, or grant the right to it";

/// How much of a list of late errors is read.
const LATE: usize = 4 << 20;

/// See the module.
pub struct Cloud {
    client: Client,
    secrets: Arc<Secrets>,
    endpoint: Address,
    session: Session,
    frame: Frame,
    gzip: bool,
    late: Option<LateErrors>,
}

impl Cloud {
    /// Makes one for all workers of a pipeline. Nothing is sent yet.
    ///
    /// # Errors
    /// A file of certificates cannot be used.
    pub fn new(config: &FeaturebaseCloud) -> Result<Self, String> {
        let client = client(&config.client)?;
        let secrets = Arc::new(Secrets::new(&config.client.secrets));
        let session = Session::new(client.clone(), secrets.clone(), config);
        let frame = Frame { open: b"{\"records\":[".to_vec(), between: b",".to_vec(), close: b"]}".to_vec() };
        let (endpoint, gzip, late) = (config.endpoint.clone(), config.client.gzip, config.late_errors.clone());
        Ok(Self { client, secrets, endpoint, session, frame, gzip, late })
    }

    /// Sends a request with a token; where that is refused, once more with a new one.
    // Promise: order
    async fn exchange(
        &self,
        most: usize,
        wanted: &Wanted,
        make: impl Fn() -> RequestBuilder,
    ) -> Result<Response, Answer> {
        let token = self.session.token(None).await?;
        let response = exchange_within(make().bearer_auth(&token.text), &self.secrets, most, wanted).await?;
        if response.status.as_u16() != 401 {
            return Ok(response);
        }
        wanted.check()?;
        let token = self.session.token(Some(&token.text)).await?;
        exchange_within(make().bearer_auth(&token.text), &self.secrets, most, wanted).await
    }

    async fn post(&self, text: Bytes, wanted: &Wanted) -> Result<Response, Answer> {
        let request = || self.client.post(self.endpoint.whole()).header("content-type", "application/json");
        self.exchange(ANSWER, wanted, || body(request(), text.clone(), self.gzip)).await
    }

    /// Logs in, so that who may not is told before the first row.
    ///
    /// # Errors
    /// There is no token, and whether another try may get one.
    pub async fn connect(&self) -> Result<(), Answer> {
        self.session.token(None).await.map(drop)
    }

    /// What no text of the server's may show.
    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Asks for what became of rows later.
    ///
    /// # Errors
    /// There is no answer, or nobody is to ask: for a person.
    pub(super) async fn late_errors(&self) -> Result<Response, String> {
        let Some(late) = &self.late else { return Err("`late_errors` is not set".to_owned()) };
        self.exchange(LATE, &Wanted::default(), || self.client.get(late.url.whole())).await.map_err(Answer::reason)
    }

    /// The login, and whether more can be asked with it.
    async fn probe_login(&self) -> Result<Finding, Finding> {
        let about = "login";
        match self.session.token(None).await {
            Ok(_) => {
                let what = format!("{} gives {} a token", self.session.url(), self.session.username());
                Ok(Finding::good(PART, about, what))
            }
            Err(answer) => Err(Finding::bad(PART, about, answer.reason())),
        }
    }

    /// Sends a request without rows: what it answers with 400 is a complaint about that.
    async fn probe_endpoint(&self) -> Finding {
        let about = "endpoint";
        let empty = Bytes::from([&self.frame.open[..], &self.frame.close].concat());
        let response = match self.post(empty, &Wanted::default()).await {
            Ok(response) => response,
            Err(answer) => return Finding::bad(PART, about, answer.reason()),
        };
        let (url, shown) = (&self.endpoint, response.shown());
        match response.verdict(url) {
            _ if response.status.as_u16() == 401 => Finding::bad(PART, about, format!("{url}: {shown}; {NO_RIGHT}")),
            Some(Answer::Again { slower: true, .. }) | None => {
                let what =
                    format!("{url} takes the token, and answers a request without rows with {}", response.status);
                Finding::good(PART, about, what)
            }
            Some(answer) => Finding::bad(PART, about, answer.reason()),
        }
    }

    async fn probe_late_errors(&self, url: &Address) -> Finding {
        let about = "late errors";
        match self.late_errors().await {
            Ok(response) if response.status.is_success() => {
                Finding::good(PART, about, format!("{url} answers with {}", response.status))
            }
            Ok(response) => Finding::bad(PART, about, format!("{url}: {}; correct `late_errors`", response.shown())),
            Err(why) => Finding::bad(PART, about, why),
        }
    }

    fn judge(&self, response: &Response, rows: usize) -> Answer {
        let message = || format!("{}: {}", self.endpoint, response.shown());
        match response.status.as_u16() {
            200..=299 => read(&response.body, rows, &self.secrets).unwrap_or_else(|| Answer::Again {
                message: format!("{}, which does not tell what became of {rows} rows", message()),
                after: None,
                slower: false,
            }),
            400 if is_too_fast(&response.body) => {
                Answer::Again { message: message(), after: response.retry_after(), slower: true }
            }
            // the token is new: what is refused is the right to this endpoint, or the token has ended this moment
            401 => Answer::Again { message: format!("{}; {NO_RIGHT}", message()), after: None, slower: false },
            _ => response.verdict(&self.endpoint).unwrap_or_else(|| Answer::RefusedWhole(message())),
        }
    }
}

impl Endpoint for Cloud {
    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn encode(&self, row: Row<'_>, checker: &mut Checker, text: &mut Vec<u8>) -> Result<(), String> {
        let value = checker.check(row.value, Kind::Object)?;
        text.extend_from_slice(b"{\"value\":");
        text.extend_from_slice(value);
        text.push(b'}');
        Ok(())
    }

    async fn send(&self, body: Bytes, rows: usize, wanted: &Wanted) -> Answer {
        match self.post(body, wanted).await {
            Ok(response) => self.judge(&response, rows),
            Err(answer) => answer,
        }
    }

    async fn probe(&self) -> Vec<Finding> {
        match self.probe_login().await {
            Ok(login) => {
                let mut findings = vec![login, self.probe_endpoint().await];
                if let Some(late) = &self.late {
                    findings.push(self.probe_late_errors(&late.url).await);
                }
                findings
            }
            Err(login) => vec![login],
        }
    }
}

/// Whether an answer's own words begin with the code: it may repeat rows, too, which may have it anywhere.
fn is_too_fast(body: &[u8]) -> bool {
    const KEYS: [&str; 8] = ["code", "error_code", "error", "message", "error_message", "type", "__type", "detail"];
    fn says(value: &Value) -> bool {
        match value {
            Value::String(text) => text.trim_start().starts_with(TOO_FAST),
            Value::Object(fields) => KEYS.iter().filter_map(|key| fields.get(*key)).any(says),
            _ => false,
        }
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => says(&value),
        Err(_) => body.trim_ascii_start().starts_with(TOO_FAST.as_bytes()),
    }
}

/// An answer of status 2xx. What it leaves out counts as absent.
#[derive(Deserialize)]
struct Told<'a> {
    success_count: Option<u64>,
    error_count: Option<u64>,
    #[serde(borrow, default)]
    records: Vec<&'a RawValue>,
}

/// Reads what became of the rows; none where that cannot be told.
pub(super) fn read(body: &[u8], rows: usize, secrets: &Secrets) -> Option<Answer> {
    // serde takes a list for an object's values too
    let told: Told<'_> = serde_json::from_slice(body).ok().filter(|_| body.trim_ascii_start().starts_with(b"{"))?;
    // those of all rows that were taken tend to be one text
    let mut good = "";
    let mut refused: Vec<(u32, String)> = Vec::new();
    for (row, record) in (0..).zip(&told.records) {
        if record.get() == good {
            continue;
        }
        match refusal(&serde_json::from_str(record.get()).ok()?) {
            Some(message) => refused.push((row, secrets.tell(&message))),
            None => good = record.get(),
        }
    }
    let errors = told.error_count.unwrap_or(refused.len() as u64);
    let by_row = told.records.len() == rows;
    let taken = (rows as u64).checked_sub(refused.len() as u64);
    match (refused.len() as u64, errors) {
        // an answer that contradicts itself proves nothing of rows that it does not refuse
        (0, 0) if told.success_count.map_or(by_row, |count| Some(count) == taken) => Some(Answer::Taken),
        (1.., errors) if by_row && (errors == 0 || told.success_count.is_some() && told.success_count != taken) => {
            Some(Answer::Guilty(refused))
        }
        (found @ 1.., errors) if by_row && found == errors => Some(Answer::Refused(refused)),
        (_, 0) => None,
        _ if rows == 1 => Some(Answer::Refused(vec![(0, first_message(&refused, body, secrets))])),
        // which they are cannot be told; those that were taken are written again, over themselves
        _ => Some(Answer::RefusedWhole(first_message(&refused, body, secrets))),
    }
}

fn first_message(refused: &[(u32, String)], body: &[u8], secrets: &Secrets) -> String {
    let text = || secrets.tell_shortly(&String::from_utf8_lossy(body));
    refused.first().map_or_else(text, |(_, message)| message.clone())
}

/// Why a record was refused, where it was: it has an error's code or message, or a status that is no success.
fn refusal(record: &Value) -> Option<String> {
    let says = |key: &str| match &record[key] {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if number.as_f64() != Some(0.0) => Some(number.to_string()),
        _ => None,
    };
    let failed = record["status"].as_u64().is_some_and(|status| status >= 400);
    match (says("error_code"), says("error_message")) {
        (Some(code), Some(message)) => Some(format!("{message} ({code})")),
        (Some(text), None) | (None, Some(text)) => Some(text),
        (None, None) if failed => Some(format!("status {}", record["status"])),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn answer(body: &Value, rows: usize) -> Option<Answer> {
        read(body.to_string().as_bytes(), rows, &Secrets::default())
    }

    #[test]
    fn rows_are_taken_only_where_the_answer_says_so() {
        let good = json!({ "status": 200, "error_code": null, "error_message": "" });
        assert_eq!(
            answer(&json!({ "success_count": 2, "error_count": 0, "records": [good, good] }), 2),
            Some(Answer::Taken)
        );
        assert_eq!(answer(&json!({ "success_count": 2, "error_count": 0 }), 2), Some(Answer::Taken));
        for short in [
            json!({}),
            json!({ "success_count": 1, "error_count": 0 }),
            json!({ "success_count": 0, "error_count": 0, "records": [good, good] }),
            json!({ "success_count": 1, "records": [good, good] }),
            json!({ "records": [good] }),
            json!([]),
            json!([2, 0, [good, good]]),
        ] {
            assert_eq!(answer(&short, 2), None, "{short}");
        }
        assert_eq!(read(b"<html>", 2, &Secrets::default()), None);
    }

    #[test]
    fn refused_rows_have_the_servers_words() {
        let good = json!({ "status": 200 });
        let bad = json!({ "status": 400, "error_code": "BadField", "error_message": "no such field" });
        let told = json!({ "success_count": 1, "error_count": 1, "records": [good, bad] });
        assert_eq!(answer(&told, 2), Some(Answer::Refused(vec![(1, "no such field (BadField)".to_owned())])));
        // a count that contradicts the list does not keep the row for ever
        let contradiction = json!({ "success_count": 2, "error_count": 0, "records": [good, bad] });
        assert_eq!(answer(&contradiction, 2), Some(Answer::Guilty(vec![(1, "no such field (BadField)".to_owned())])));
        let alone = json!({ "success_count": 1, "error_count": 0, "records": [bad] });
        assert_eq!(answer(&alone, 1), Some(Answer::Guilty(vec![(0, "no such field (BadField)".to_owned())])));
        let short = json!({ "success_count": 2, "error_count": 0, "records": [bad] });
        assert_eq!(answer(&short, 2), None);
        // what is refused is guilty, and the other may have gone with it
        let discarded = json!({ "success_count": 0, "error_count": 2, "records": [good, bad] });
        assert_eq!(answer(&discarded, 2), Some(Answer::Guilty(vec![(1, "no such field (BadField)".to_owned())])));
        let unsaid = json!({ "success_count": 1, "error_count": 1 });
        assert!(matches!(answer(&unsaid, 2), Some(Answer::RefusedWhole(_))));
        assert!(matches!(answer(&json!({ "error_count": 1 }), 1), Some(Answer::Refused(rows)) if rows[0].0 == 0));
        assert!(matches!(answer(&json!({ "error_count": 1, "records": [bad] }), 2), Some(Answer::RefusedWhole(_))));
    }

    #[test]
    fn too_fast_is_what_the_server_says_and_not_what_it_repeats() {
        for (body, is) in [
            (r#"{"error_code":"ResourceThroughputExceeded"}"#, true),
            (r#"{"error":{"code":"ResourceThroughputExceeded","message":"later"}}"#, true),
            (r#"{"message":"ResourceThroughputExceeded: slow down"}"#, true),
            ("ResourceThroughputExceeded", true),
            (r#"{"message":"bad record: {\"note\":\"ResourceThroughputExceeded\"}"}"#, false),
            (r#"{"record":{"message":"ResourceThroughputExceeded"}}"#, false),
            ("bad row: ResourceThroughputExceeded", false),
        ] {
            assert_eq!(is_too_fast(body.as_bytes()), is, "{body}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<u16>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-zA-Z]{0,8}".prop_map(Value::from),
        ];
        let keys = prop_oneof![
            Just("success_count"),
            Just("error_count"),
            Just("records"),
            Just("status"),
            Just("error_code"),
            Just("error_message"),
        ];
        leaf.prop_recursive(4, 64, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::vec((keys.clone(), inner), 0..6)
                    .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_answer_takes_more_rows_than_it_says(body in any_json(), rows in 1usize..6) {
            if let Some(Answer::Taken) = answer(&body, rows) {
                let listed = body["records"].as_array().is_some_and(|records| records.len() == rows);
                let said = body["success_count"].as_u64();
                prop_assert!(said == Some(rows as u64) || said.is_none() && listed);
            }
            if let Some(Answer::Refused(refused) | Answer::Guilty(refused)) = answer(&body, rows) {
                prop_assert!(!refused.is_empty() && refused.iter().all(|(row, _)| (*row as usize) < rows));
            }
            if let Some(Answer::Refused(refused)) = answer(&body, rows) {
                let said = body["success_count"].as_u64();
                prop_assert!(rows == 1 || said.is_none_or(|said| said as usize + refused.len() == rows));
            }
        }

        #[test]
        fn bytes_that_are_no_answer_take_nothing(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let read = read(&body, 3, &Secrets::default());
            prop_assert!(read != Some(Answer::Taken) || body.contains(&b'3'));
        }
    }
}
