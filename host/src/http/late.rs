//! Errors that FeatureBase Cloud lists later, of rows that passed its first validation: asked for every so often, and told.
//!
//! They name no record that could be found again, so that nothing but telling can be done about them. Whatever is answered, rows
//! go on.

use super::cloud::Cloud;
use super::secrets::Secrets;
use crate::metrics;
use crate::sink::late::LateErrors;
use serde_json::Value;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many errors of one answer have a line of the log each.
const LINES: usize = 5;
/// How often one and the same reason why they cannot be read is told.
const SAID_AGAIN: Duration = Duration::from_secs(600);
/// How many errors are remembered.
const REMEMBERED: usize = 100_000;

/// Where a list may be, where the answer is none.
const LISTS: [&str; 5] = ["errors", "data", "records", "results", "items"];

/// Asks for ever.
pub async fn follow(cloud: Arc<Cloud>, pipeline: String, every: Duration, board: LateErrors) {
    let counter = metrics::late_errors(&pipeline);
    let mut known = Known::default();
    let mut begun = false;
    let mut said: Option<(Instant, String)> = None;
    loop {
        match ask(&cloud).await {
            Ok(errors) => {
                let new = known.learn(errors);
                board.update(|late| late.unread = None);
                said = None;
                if begun {
                    tell(&pipeline, &new);
                    counter.increment(new.len() as u64);
                    board.update(|late| {
                        late.errors += new.len() as u64;
                        late.last = new.last().cloned().or(late.last.take());
                    });
                } else if !new.is_empty() {
                    tracing::warn!(pipeline, errors = new.len(), "late errors are listed from before this start");
                }
                begun = true;
            }
            Err(why) => {
                if said.as_ref().is_none_or(|(when, what)| *what != why || when.elapsed() > SAID_AGAIN) {
                    tracing::warn!(pipeline, error = why, "late errors cannot be read; rows go on");
                    said = Some((Instant::now(), why.clone()));
                }
                board.update(|late| late.unread = Some(why));
            }
        }
        tokio::time::sleep(every).await;
    }
}

pub(super) async fn ask(cloud: &Cloud) -> Result<Vec<Told>, String> {
    let response = cloud.late_errors().await?;
    if !response.status.is_success() {
        return Err(response.shown());
    }
    read(&response.body, cloud.secrets())
        .ok_or_else(|| format!("the answer has no list of errors: {}", response.shown()))
}

fn tell(pipeline: &str, new: &[String]) {
    for error in new.iter().take(LINES) {
        tracing::warn!(pipeline, error, "late error: a row that was taken is not there");
    }
    if new.len() > LINES {
        tracing::warn!(pipeline, more = new.len() - LINES, "more late errors");
    }
}

/// One error of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// All of it, as a number.
    digest: u64,
    message: String,
}

/// Reads an answer; none where it lists nothing that could be errors.
pub(super) fn read(body: &[u8], secrets: &Secrets) -> Option<Vec<Told>> {
    let mut answer: Value = match body.trim_ascii() {
        b"" => return Some(Vec::new()),
        body => serde_json::from_slice(body).ok()?,
    };
    let list = match &mut answer {
        Value::Null => Vec::new(),
        Value::Array(list) => std::mem::take(list),
        Value::Object(members) => {
            let name = LISTS
                .into_iter()
                .find(|name| members.get(*name).is_some_and(|list| list.is_array() || list.is_null()))?;
            match members.remove(name) {
                Some(Value::Array(list)) => list,
                _ => Vec::new(),
            }
        }
        _ => return None,
    };
    Some(list.iter().map(|error| told(error, secrets)).collect())
}

fn told(error: &Value, secrets: &Secrets) -> Told {
    let mut hasher = DefaultHasher::new();
    error.to_string().hash(&mut hasher);
    let first = |keys: &[&str]| {
        keys.iter().find_map(|key| match &error[*key] {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    };
    let message = match error {
        Value::String(text) => text.clone(),
        _ => match (first(&["error_message", "message", "error", "reason"]), first(&["error_code", "code"])) {
            (Some(message), Some(code)) => format!("{message} ({code})"),
            (Some(text), None) | (None, Some(text)) => text,
            // the rest of it may be the record, which no log shows
            (None, None) => "an error without a message".to_owned(),
        },
    };
    Told { digest: hasher.finish(), message: secrets.tell_shortly(&message) }
}

/// What was listed before, and how often in one answer.
#[derive(Default)]
struct Known(HashMap<u64, u32>);

impl Known {
    /// Takes an answer in, and gives the messages of what is new in it, in its order.
    fn learn(&mut self, errors: Vec<Told>) -> Vec<String> {
        let mut here: HashMap<u64, u32> = HashMap::new();
        let mut new = Vec::new();
        for Told { digest, message } in errors {
            let times = here.entry(digest).or_default();
            *times += 1;
            if *times > self.0.get(&digest).copied().unwrap_or_default() {
                new.push(message);
            }
        }
        // what was listed once and is not now may come back; it is forgotten when there is too much of it
        if self.0.len() + here.len() > REMEMBERED {
            self.0.clear();
        }
        for (digest, times) in here {
            let before = self.0.entry(digest).or_default();
            *before = times.max(*before);
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn messages(answer: &Value) -> Option<Vec<String>> {
        Some(read(answer.to_string().as_bytes(), &Secrets::default())?.into_iter().map(|told| told.message).collect())
    }

    #[test]
    fn errors_are_found_in_a_list_or_below_its_usual_names() {
        let error = json!({ "error_message": "no such field", "error_code": "BadField", "record": { "secret": 1 } });
        let shown = Some(vec!["no such field (BadField)".to_owned()]);
        assert_eq!(messages(&json!([error])), shown);
        assert_eq!(messages(&json!({ "errors": [error], "next": null })), shown);
        assert_eq!(messages(&json!({ "errors": null })), Some(Vec::new()));
        assert_eq!(read(b"", &Secrets::default()), Some(Vec::new()));
        assert_eq!(messages(&json!([{ "record": "x" }, "late"])).unwrap(), ["an error without a message", "late"]);
        for other in [json!({}), json!(5), json!({ "message": "Unauthorized" })] {
            assert_eq!(messages(&other), None, "{other}");
        }
    }

    #[test]
    fn an_error_is_new_once_and_as_often_as_it_is_listed() {
        let answer = |list: Value| read(list.to_string().as_bytes(), &Secrets::default()).unwrap();
        let mut known = Known::default();
        assert_eq!(known.learn(answer(json!(["a", "b"]))), ["a", "b"]);
        assert_eq!(known.learn(answer(json!(["b", "a", "c", "b"]))), ["c", "b"]);
        assert_eq!(known.learn(answer(json!(["c"]))), [""; 0]);
        assert_eq!(known.learn(answer(json!(["a", "b", "b"]))), [""; 0]);
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_said_to_be_none(body in proptest::collection::vec(any::<u8>(), 0..200), open in "[\\[{\"]{0,3}") {
            let all = [open.as_bytes(), &body].concat();
            let mut known = Known::default();
            let mut new = || read(&all, &Secrets::default()).map(|errors| known.learn(errors).len());
            let (first, second) = (new(), new());
            prop_assert!(second.unwrap_or(0) == 0 && first.is_some() == second.is_some());
        }
    }
}
