//! What the server's answers mean. Whatever a statement came to, the status is 200: the text tells.

use crate::http::client::Response;
use crate::http::endpoint::Answer;
use serde::Deserialize;
use serde_json::Value;

/// How much of an error is shown.
const SHOWN: usize = 300;

/// The body of an answer that has a say.
///
/// # Errors
/// The status says it all.
pub(super) fn body(response: Response, url: &str) -> Result<Vec<u8>, Answer> {
    match response.status.as_u16() {
        200..=299 => Ok(response.body),
        _ => Err(response.verdict(url).unwrap_or_else(|| Answer::RefusedWhole(format!("{url}: {}", response.shown())))),
    }
}

/// An answer's parts. What it leaves out counts as absent.
#[derive(Deserialize)]
pub(super) struct Told {
    schema: Option<Schema>,
    data: Option<Vec<Value>>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Schema {
    #[serde(default)]
    fields: Vec<Field>,
}

#[derive(Deserialize)]
struct Field {
    name: String,
}

/// Whether a statement did what it says.
///
/// # Errors
/// It did not, or that is not known.
pub(super) fn outcome(body: &[u8], url: &str) -> Result<(), Answer> {
    read(body, url).map(|_| ())
}

/// The rows of an answer to a question, each with its fields by name.
///
/// # Errors
/// As [`outcome`].
pub(super) fn rows(body: &[u8], url: &str) -> Result<Vec<Vec<(String, Value)>>, Answer> {
    let told = read(body, url)?;
    let names: Vec<String> = told.schema.into_iter().flat_map(|schema| schema.fields).map(|field| field.name).collect();
    let row = |row: Value| match row {
        Value::Array(values) => names.iter().cloned().zip(values).collect(),
        _ => Vec::new(),
    };
    Ok(told.data.into_iter().flatten().map(row).collect())
}

fn read(body: &[u8], url: &str) -> Result<Told, Answer> {
    // a server that breaks while it answers leaves a part of an answer, or writes something behind it
    let told: Option<Told> = serde_json::from_slice(body).ok();
    let error = told.as_ref().and_then(|told| told.error.as_ref());
    match error {
        Some(Value::Null) | None => {}
        Some(Value::String(text)) if text.is_empty() => {}
        Some(Value::String(text)) => return Err(judge(text, url)),
        Some(other) => return Err(judge(&other.to_string(), url)),
    }
    told.filter(|told| told.data.is_some()).ok_or_else(|| {
        let text = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]).into_owned();
        again(format!("{url}: the answer does not tell what became of the statement: {text}"))
    })
}

fn again(message: String) -> Answer {
    Answer::Again { message, after: None, slower: false }
}

/// What an error means. Errors of single rows hold their values, so only what cannot come from a row is looked for inside.
fn judge(error: &str, url: &str) -> Answer {
    let cut = &error[..error.floor_char_boundary(SHOWN)];
    let message = format!("{url}: {cut}{}", if cut.len() < error.len() { "..." } else { "" });
    let (place, text) = place(error);
    let row = place == Some("0:0") || text.starts_with("adding record: ") || text.starts_with("converting ");
    if row {
        return Answer::RefusedWhole(message);
    }
    if is_schema(text) {
        return Answer::Fatal(message);
    }
    if text.starts_with("expected ") {
        return Answer::Fatal(format!("{message}; this is no FeatureBase server that Edgemill knows"));
    }
    let broken = [
        "not allowed in state",
        "connection refused",
        "connection reset",
        "context canceled",
        "deadline exceeded",
        "no space left",
        "timed out",
        "timeout",
    ];
    // the row is good and could not be stored
    let storing = ["importing batch", "setting up batch"].iter().any(|start| text.starts_with(start));
    if storing || broken.iter().any(|words| text.contains(words)) {
        return again(message);
    }
    Answer::RefusedWhole(message)
}

/// The place in the statement that an error begins with: `[1:15] …` or `1:1: …`.
fn place(error: &str) -> (Option<&str>, &str) {
    let digits = |text: &str| {
        text.split_once(':').is_some_and(|(line, column)| [line, column].iter().all(|part| part.parse::<u32>().is_ok()))
    };
    if let Some((place, text)) = error.strip_prefix('[').and_then(|rest| rest.split_once("] "))
        && digits(place)
    {
        return (Some(place), text);
    }
    match error.split_once(": ") {
        Some((place, text)) if digits(place) => (Some(place), text),
        _ => (None, error),
    }
}

/// Whether the table is not what it was when it was looked at.
fn is_schema(text: &str) -> bool {
    let quoted = |start: &str, end: &str| {
        text.strip_prefix(start)
            .and_then(|rest| rest.strip_suffix(end))
            .is_some_and(|name| !name.contains(' ') && !name.contains('\''))
    };
    quoted("table '", "' not found")
        || quoted("table or view '", "' not found")
        || quoted("column '", "' not found")
        || text.starts_with("an expression of type '") && text.contains("' cannot be assigned to type '")
        || text.starts_with("types '") && text.ends_with("' are not equatable")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn meaning(answer: &Value) -> Option<&'static str> {
        outcome(answer.to_string().as_bytes(), "u").err().map(|answer| match answer {
            Answer::RefusedWhole(_) => "refused",
            Answer::Fatal(_) => "fatal",
            Answer::Again { .. } => "again",
            Answer::Taken | Answer::Refused(_) => "taken",
        })
    }

    #[test]
    fn errors_are_in_the_body_also_beside_a_schema_and_data() {
        let good = json!({ "schema": { "fields": [] }, "data": [], "execution-time": 12 });
        assert_eq!(meaning(&good), None);
        let refused = [
            "[0:0] inserting value into column 'n', row 2, value '2000000' out of range",
            "[0:0] value 'importing batch: timeout' cannot be converted to type 'int'",
            "[0:0] unable to parse JSON 'table 'x' not found': unexpected EOF",
            "adding record: record identifier cannot be an empty string",
            "converting timestamp to int64: 0001: value provided for timestamp field is out of range",
            "internal error (opinsert.go:194) _id value cannot be negative: -1",
        ];
        let fatal = [
            "[1:18] table 'nope' not found",
            "[1:15] table or view 'nope' not found",
            "[1:1] column 'nocol' not found",
            "[1:54] an expression of type 'string' cannot be assigned to type 'int'",
            "[1:22] types 'string' and 'int' are not equatable",
            "1:1: expected statement, found SELEC",
        ];
        let again = [
            "importing batch: doing Translation: translating col keys: connection refused",
            "api method ImportRoaringShard not allowed in state STARTING",
        ];
        for (errors, what) in [(&refused[..], "refused"), (&fatal[..], "fatal"), (&again[..], "again")] {
            for error in errors {
                assert_eq!(meaning(&json!({ "error": error, "execution-time": 0 })), Some(what), "{error}");
                let beside = json!({ "schema": { "fields": [] }, "data": [], "error": error });
                assert_eq!(meaning(&beside), Some(what), "{error}");
            }
        }
        for strange in [json!({}), json!([]), json!(null), json!({ "data": 1 }), json!({ "schema": {} })] {
            assert_eq!(meaning(&strange), Some("again"), "{strange}");
        }
    }

    #[test]
    fn an_answer_that_broke_off_or_goes_on_takes_nothing() {
        let whole = br#"{"schema":{"fields":[]},"data":[],"execution-time":12}"#;
        assert_eq!(outcome(whole, "u"), Ok(()));
        for end in 0..whole.len() {
            assert!(matches!(outcome(&whole[..end], "u"), Err(Answer::Again { .. })), "{end}");
        }
        let panicked = [&whole[..], b"runtime error: integer divide by zero\ngoroutine 1"].concat();
        assert!(matches!(outcome(&panicked, "u"), Err(Answer::Again { .. })));
    }

    proptest! {
        #[test]
        fn no_answer_breaks_the_reader_and_none_with_an_error_takes_rows(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), error in ".*", data in any::<bool>()
        ) {
            let _ = outcome(&bytes, "u");
            let _ = rows(&bytes, "u");
            let mut told = json!({ "error": error });
            if data {
                told["data"] = json!([["x"], 1, null]);
            }
            let text = told.to_string();
            prop_assert!(error.is_empty() || outcome(text.as_bytes(), "u").is_err());
            let _ = rows(text.as_bytes(), "u");
            // a part of an answer
            let _ = outcome(&text.as_bytes()[..bytes.len().min(text.len())], "u");
        }
    }
}
