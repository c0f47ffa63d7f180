//! What the server's answers mean. Whatever a statement came to, the status is 200: the text tells.

use crate::config::Address;
use crate::http::client::Response;
use crate::http::endpoint::Answer;
use crate::http::secrets::Secrets;
use serde::Deserialize;
use serde_json::Value;

/// Who answers, and what of its words is not told.
#[derive(Clone, Copy)]
pub(super) struct Server<'a> {
    pub(super) url: &'a Address,
    pub(super) secrets: &'a Secrets,
}

impl Server<'_> {
    /// Its words as a message.
    fn says(&self, words: &str) -> String {
        format!("{}: {}", self.url, self.secrets.tell_shortly(words))
    }

    /// What it means that nothing is known.
    pub(super) fn again(&self, words: &str) -> Answer {
        Answer::Again { message: self.says(words), after: None, slower: false }
    }
}

/// The body of an answer that has a say.
///
/// # Errors
/// The status says it all.
pub(super) fn body(response: Response, url: &Address) -> Result<Vec<u8>, Answer> {
    let message = || format!("{url}: {}", response.shown());
    match response.status.as_u16() {
        200..=299 => Ok(response.body),
        // fewer rows may not be too many
        413 => Err(Answer::RefusedWhole(message())),
        // no row is the reason of another status: the server says 400 where a request did not come whole
        _ => Err(response.verdict(url).unwrap_or_else(|| Answer::Again {
            message: message(),
            after: response.retry_after(),
            slower: false,
        })),
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
pub(super) fn outcome(body: &[u8], server: Server<'_>) -> Result<(), Answer> {
    read(body, server).map(|_| ())
}

/// The rows of an answer to a question, each with its fields by name.
///
/// # Errors
/// As [`outcome`].
pub(super) fn rows(body: &[u8], server: Server<'_>) -> Result<Vec<Vec<(String, Value)>>, Answer> {
    let told = read(body, server)?;
    let names: Vec<String> = told.schema.into_iter().flat_map(|schema| schema.fields).map(|field| field.name).collect();
    let row = |row: Value| match row {
        Value::Array(values) => names.iter().cloned().zip(values).collect(),
        _ => Vec::new(),
    };
    Ok(told.data.into_iter().flatten().map(row).collect())
}

fn read(body: &[u8], server: Server<'_>) -> Result<Told, Answer> {
    // a server that breaks while it answers leaves a part of an answer, or writes something behind it
    let told: Option<Told> = serde_json::from_slice(body).ok();
    let error = told.as_ref().and_then(|told| told.error.as_ref());
    match error {
        Some(Value::Null) | None => {}
        Some(Value::String(text)) if text.is_empty() => {}
        Some(Value::String(text)) => return Err(judge(text, server)),
        Some(other) => return Err(judge(&other.to_string(), server)),
    }
    told.filter(|told| told.data.is_some()).ok_or_else(|| {
        let text = String::from_utf8_lossy(body);
        server.again(&format!("the answer does not tell what became of the statement: {text}"))
    })
}

/// What an error means. Only what is known to be of a row is: its words begin as the server's source has them, and what follows holds
/// the row's values, which are not looked at.
fn judge(error: &str, server: Server<'_>) -> Answer {
    let (place, text) = place(error);
    if is_of_a_row(place, text) {
        return Answer::RefusedWhole(server.says(error));
    }
    if is_schema(text) {
        return Answer::Fatal(server.says(error));
    }
    // what the parser and the planner say has its place in the statement, and stays so
    if place.is_some_and(|place| place != "0:0") || text.starts_with("expected ") {
        let why = "it does not take the statement: this is no FeatureBase server that Edgemill knows";
        return Answer::Fatal(format!("{}; {why}", server.says(error)));
    }
    let known = ["importing batch", "setting up batch"].iter().any(|start| text.starts_with(start))
        || text.contains("not allowed in state");
    let why =
        if known { "" } else { "; an error that is not known counts as the server's: rows wait until it is gone" };
    Answer::Again { message: server.says(error) + why, after: None, slower: false }
}

/// Whether a row is the reason. All other rows of the statement are good.
fn is_of_a_row(place: Option<&str>, text: &str) -> bool {
    let begins = |starts: &[&str]| starts.iter().any(|start| text.starts_with(start));
    let values = [
        "inserting value into column '",
        "value '",
        "unable to convert '",
        "unable to parse JSON '",
        "unable to evaluate JSONPath expression '",
    ];
    let inserting = ["adding record: ", "converting timestamp to int64: ", "parsing timestamp: "];
    let internal =
        text.strip_prefix("internal error ").map(|rest| rest.split_once(") ").map_or(rest, |(_, rest)| rest));
    let negative = ["_id value cannot be negative: ", "converting negative "];
    place == Some("0:0") && begins(&values)
        || place.is_none() && begins(&inserting)
        || internal.is_some_and(|what| negative.iter().any(|start| what.starts_with(start)))
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
    use std::sync::LazyLock;

    static URL: LazyLock<Address> = LazyLock::new(|| Address::new("u"));
    static SECRETS: LazyLock<Secrets> = LazyLock::new(Secrets::default);

    impl Server<'static> {
        /// One without secrets.
        pub(crate) fn test() -> Self {
            Server { url: &URL, secrets: &SECRETS }
        }
    }

    use proptest::prelude::*;
    use serde_json::json;

    fn meaning(answer: &Value) -> Option<&'static str> {
        outcome(answer.to_string().as_bytes(), Server::test()).err().map(|answer| match answer {
            Answer::RefusedWhole(_) => "refused",
            Answer::Fatal(_) => "fatal",
            Answer::Again { .. } => "again",
            Answer::Taken | Answer::Refused(_) | Answer::Guilty(_) => "taken",
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
            "parsing timestamp: not allowed in state: cannot parse",
        ];
        let fatal = [
            "[1:18] table 'nope' not found",
            "[1:15] table or view 'nope' not found",
            "[1:1] column 'nocol' not found",
            "[1:54] an expression of type 'string' cannot be assigned to type 'int'",
            "[1:22] types 'string' and 'int' are not equatable",
            "1:1: expected statement, found SELEC",
            "[0:0] table 'gone' not found",
            "[1:23] insert column list must have at least one non '_id' column specified",
        ];
        let again = [
            "importing batch: doing Translation: translating col keys: connection refused",
            "api method ImportRoaringShard not allowed in state STARTING",
            // a server's fault that nobody has seen yet must not make dead letters of good rows
            "panic: runtime error: integer divide by zero",
            "shard 5 of index flights is unavailable",
            "unauthorized on remote server 'node-2'",
            "internal error (opinsert.go:300) unexpected type <nil>",
            "[0:0] unable to read datasource 'x': no such file",
            "value '1' cannot be converted to type 'int'",
            "EOF",
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
    fn a_servers_words_are_on_one_line_and_cut() {
        let error = format!("adding record: \x1b[2J\nerror: {}", "x".repeat(1000));
        let told = outcome(json!({ "error": error }).to_string().as_bytes(), Server::test()).unwrap_err().reason();
        assert!(told.starts_with("u: adding record: \u{fffd}[2J error: xx") && told.ends_with("xx..."), "{told}");
    }

    #[test]
    fn an_answer_that_broke_off_or_goes_on_takes_nothing() {
        let whole = br#"{"schema":{"fields":[]},"data":[],"execution-time":12}"#;
        assert_eq!(outcome(whole, Server::test()), Ok(()));
        for end in 0..whole.len() {
            assert!(matches!(outcome(&whole[..end], Server::test()), Err(Answer::Again { .. })), "{end}");
        }
        let panicked = [&whole[..], b"runtime error: integer divide by zero\ngoroutine 1"].concat();
        assert!(matches!(outcome(&panicked, Server::test()), Err(Answer::Again { .. })));
    }

    proptest! {
        #[test]
        fn no_answer_breaks_the_reader_and_none_with_an_error_takes_rows(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), error in ".*", data in any::<bool>()
        ) {
            let _ = outcome(&bytes, Server::test());
            let _ = rows(&bytes, Server::test());
            let mut told = json!({ "error": error });
            if data {
                told["data"] = json!([["x"], 1, null]);
            }
            let text = told.to_string();
            prop_assert!(error.is_empty() || outcome(text.as_bytes(), Server::test()).is_err());
            let _ = rows(text.as_bytes(), Server::test());
            // a part of an answer
            let _ = outcome(&text.as_bytes()[..bytes.len().min(text.len())], Server::test());
        }
    }
}
