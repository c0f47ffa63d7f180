//! A schema registry with Confluent's API, which Redpanda's, Karapace and Apicurio have too.
//!
//! Whoever asks waits, and its records with it: so answers are kept, and a registry that does not answer is left alone for a while.

use super::client::{Response, client, exchange_within, headers};
use super::endpoint::Answer;
use super::secrets::Secrets;
use super::wanted::Wanted;
use crate::config::{Address, SchemaRegistry as Config, Secret};
use crate::finding::Finding;
use crate::metrics;
use crate::registry::{Language, Reference, Registered, Registry, RegistryError, Schema};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use complaints::Complaints;
use kept::{Answered, Kept};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

mod complaints;
mod kept;

/// How an answer's body is called.
const KIND: &str = "application/vnd.schemaregistry.v1+json";

/// What findings are of.
const PART: &str = "registry";

/// Bytes of an answer, and of a schema that is registered.
const LARGEST: usize = 16 << 20;

/// Bytes of a subject's name.
const LONGEST: usize = 4096;

/// What an answer that is kept costs besides its text.
const OVERHEAD: usize = 256;

/// How long it is believed which version is the latest.
const LATEST: Duration = Duration::from_secs(10);

/// How long it is believed that something is not there, and how long a registry that did not answer is left alone.
const QUIET: Duration = Duration::from_secs(5);

/// It may want to be left alone for longer, though not for this.
const QUIET_MOST: Duration = Duration::from_secs(60);

/// What the client's own timeout may be late.
const SLACK: Duration = Duration::from_millis(500);

/// See the module.
pub struct SchemaRegistry {
    runtime: Handle,
    client: Client,
    timeout: Duration,
    base: Url,
    shown: Address,
    headers: HeaderMap,
    login: Option<(String, Secret)>,
    secrets: Arc<Secrets>,
    schemas: Kept<i32, Schema>,
    /// By subject and version; no version: the latest.
    versions: Kept<(String, Option<i32>), Registered>,
    registered: Kept<(String, String), i32>,
    /// Until when it is left alone, and why.
    silence: Mutex<Option<(Instant, RegistryError)>>,
    complaints: Complaints,
}

/// Why a question came to nothing.
enum Trouble {
    /// Any other would too: nothing is asked for so long.
    Away(RegistryError, Duration),
    /// This one did.
    Refused(RegistryError),
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    id: i32,
    #[serde(default)]
    version: i32,
    schema: String,
    #[serde(default, rename = "schemaType")]
    language: Option<String>,
    #[serde(default)]
    references: Option<Vec<FoundReference>>,
}

#[derive(Deserialize)]
struct FoundReference {
    name: String,
    subject: String,
    version: i32,
}

#[derive(Deserialize)]
struct Id {
    id: i32,
}

impl Found {
    fn registered(self) -> Option<Registered> {
        let language = match self.language.as_deref() {
            // registries leave the first one out, as they did when there was no other
            None | Some("AVRO") => Language::Avro,
            Some("PROTOBUF") => Language::Protobuf,
            Some("JSON") => Language::Json,
            Some(_) => return None,
        };
        let reference = |FoundReference { name, subject, version }| Reference { name, subject, version };
        let references = self.references.unwrap_or_default().into_iter().map(reference).collect();
        let schema = Schema { language, text: self.schema, references };
        Some(Registered { id: self.id, version: self.version, schema })
    }
}

impl SchemaRegistry {
    /// Makes a client of the registry, whose requests run on `runtime`; asks it nothing.
    ///
    /// # Errors
    /// What is configured cannot be used.
    pub fn new(config: &Config, runtime: Handle) -> Result<Self, String> {
        let base = Url::parse(config.url.whole()).map_err(|error| format!("{}: {error}", config.url))?;
        if base.cannot_be_a_base() {
            return Err(format!("{} is no address of a server", config.url));
        }
        let pair = |(name, password): &(String, Secret)| {
            Secret(format!("Basic {}", STANDARD.encode(format!("{name}:{}", password.0))))
        };
        let login = config.login.as_ref().map(pair);
        Ok(Self {
            runtime,
            client: client(&config.client)?,
            timeout: config.client.timeout,
            base,
            shown: config.url.clone(),
            headers: headers(KIND, &config.headers)?,
            login: config.login.clone(),
            secrets: Arc::new(Secrets::new(config.client.secrets.iter().chain(&login))),
            schemas: Kept::new(),
            versions: Kept::new(),
            registered: Kept::new(),
            silence: Mutex::new(None),
            complaints: Complaints::default(),
        })
    }

    /// Lists the subjects, and keeps nothing of it. Blocks.
    pub fn probe(&self) -> Vec<Finding> {
        let (about, shown) = ("server", &self.shown);
        let subjects = match self.send(self.request(&["subjects"], None)).and_then(|response| self.judge(response)) {
            Err(Trouble::Away(error, _) | Trouble::Refused(error)) => {
                return vec![Finding::bad(PART, about, error.to_string())];
            }
            Ok(response) => serde_json::from_slice::<Vec<String>>(&response.body),
        };
        vec![match subjects {
            Ok(subjects) => Finding::good(PART, about, format!("{shown} answers, and has {} subjects", subjects.len())),
            Err(_) => Finding::bad(PART, about, self.strange().to_string()),
        }]
    }

    /// Asks, unless the registry is left alone. Who asks for something that is kept does not come here.
    fn ask(&self, path: &[&str], body: Option<&Value>) -> Result<Response, Trouble> {
        let silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = Instant::now();
        if let Some((until, error)) = silence.filter(|(until, _)| now < *until) {
            return Err(Trouble::Away(error, until - now));
        }
        let asked = self.send(self.request(path, body)).and_then(|response| self.judge(response));
        let now = Instant::now();
        match &asked {
            Ok(_) => {
                metrics::registry_asked("answered");
                self.complaints.answered();
            }
            Err(Trouble::Refused(error)) => {
                metrics::registry_asked("refused");
                self.complaints.answered();
                self.complaints.refused(error, now);
            }
            Err(Trouble::Away(error, time)) => {
                metrics::registry_asked("away");
                *self.silence.lock().unwrap_or_else(PoisonError::into_inner) = Some((now + *time, error.clone()));
                self.complaints.away(error, now);
            }
        }
        asked
    }

    fn request(&self, path: &[&str], body: Option<&Value>) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            // each part is escaped: a subject may have a slash
            segments.pop_if_empty().extend(path);
        }
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let mut request = self.client.request(method, url).headers(self.headers.clone());
        if let Some((name, password)) = &self.login {
            request = request.basic_auth(name, Some(&password.0));
        }
        match body {
            Some(body) => request.body(body.to_string()),
            None => request,
        }
    }

    /// Sends a request, which runs elsewhere: who asks may stand on a small stack, and waits no longer than it is to.
    // Promise: bounds
    fn send(&self, request: RequestBuilder) -> Result<Response, Trouble> {
        let (answer, answered) = sync_channel(1);
        self.runtime.spawn(attempt(request, self.secrets.clone(), self.timeout, answer));
        let reason = match answered.recv_timeout(self.timeout + SLACK) {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(answer)) => answer.reason(),
            Err(_) => "it does not answer in time".to_owned(),
        };
        Err(Trouble::Away(self.error(&reason), QUIET))
    }

    fn judge(&self, response: Response) -> Result<Response, Trouble> {
        let error = |words: &str| self.error(&format!("{}{words}", response.shown()));
        Err(match response.status.as_u16() {
            200..=299 => return Ok(response),
            300..=399 | 401 | 407 => {
                let reason = response.verdict(&self.shown).map(|answer| answer.reason());
                Trouble::Away(RegistryError(reason.unwrap_or_else(|| response.shown())), QUIET)
            }
            408 | 425 | 429 | 502..=504 => {
                let wanted = response.retry_after().unwrap_or(QUIET);
                Trouble::Away(error(""), wanted.clamp(QUIET, QUIET_MOST))
            }
            403 => Trouble::Refused(error("; correct the rights of who asks")),
            // a registry says with a code of its own what is not there, a server that is none does not
            404 if !is_known(&response.body) => Trouble::Refused(error("; is `url` the registry's address?")),
            _ => Trouble::Refused(error("")),
        })
    }

    fn error(&self, reason: &str) -> RegistryError {
        RegistryError(format!("{}: {reason}", self.shown))
    }

    fn found(&self, path: &[&str]) -> Result<Registered, Trouble> {
        let response = self.ask(path, None)?;
        let found: Option<Found> = serde_json::from_slice(&response.body).ok();
        found.and_then(Found::registered).ok_or_else(|| Trouble::Refused(self.strange()))
    }

    fn strange(&self) -> RegistryError {
        self.error("it answered with something else than was asked for; is `url` the registry's address?")
    }

    fn check(&self, subject: &str) -> Result<(), RegistryError> {
        match subject.len() {
            0 => Err(self.error("it was not asked: a subject without a name")),
            1..=LONGEST => Ok(()),
            length => Err(self.error(&format!("it was not asked: a subject's name of {length} bytes"))),
        }
    }
}

/// Sends a request: a second time where the first came to nothing soon, as where its connection had been idle and was closed just then.
async fn attempt(
    request: RequestBuilder,
    secrets: Arc<Secrets>,
    timeout: Duration,
    answer: SyncSender<Result<Response, Answer>>,
) {
    let (began, again) = (Instant::now(), request.try_clone());
    let first = exchange_within(request, &secrets, LARGEST, &Wanted::default()).await;
    let left = timeout.saturating_sub(began.elapsed());
    let came = match (first, again) {
        (Err(_), Some(again)) if left > timeout / 2 => {
            exchange_within(again.timeout(left), &secrets, LARGEST, &Wanted::default()).await
        }
        (first, _) => first,
    };
    // whoever asked has waited long enough otherwise
    let _ = answer.send(came);
}

/// Whether an answer with 404 is a registry's: 40401 and the like.
fn is_known(body: &[u8]) -> bool {
    let value: Option<Value> = serde_json::from_slice(body).ok();
    value.and_then(|value| value["error_code"].as_i64()).is_some_and(|code| code > 999)
}

/// What was answered, kept for `lasting`, `None` for ever; what came to nothing for a little while, and not at all where
/// nothing is asked meanwhile. The bytes of what is asked, and of an answer, are counted.
fn kept<K: std::hash::Hash + Eq, T>(
    kept: &Kept<K, T>,
    key: K,
    lasting: Option<Duration>,
    (asked, bytes): (usize, impl FnOnce(&T) -> usize),
    ask: impl FnOnce(&K) -> Result<T, Trouble>,
) -> Answered<T> {
    if let Some(answered) = kept.get(&key, Instant::now()) {
        return answered;
    }
    let came = ask(&key);
    let (now, overhead) = (Instant::now(), OVERHEAD + asked);
    match came {
        Ok(found) => {
            let (bytes, answered) = (overhead + bytes(&found), Ok(Arc::new(found)));
            kept.keep(key, answered.clone(), lasting.map(|lasting| now + lasting), bytes, now);
            answered
        }
        Err(Trouble::Refused(error)) => {
            kept.keep(key, Err(error.clone()), Some(now + QUIET), overhead + error.0.len(), now);
            Err(error)
        }
        Err(Trouble::Away(error, _)) => Err(error),
    }
}

fn size(schema: &Schema) -> usize {
    let reference = |reference: &Reference| OVERHEAD + reference.name.len() + reference.subject.len();
    schema.text.len() + schema.references.iter().map(reference).sum::<usize>()
}

impl Registry for SchemaRegistry {
    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn schema(&self, id: i32) -> Answered<Schema> {
        kept(&self.schemas, id, None, (0, size), |id| {
            self.found(&["schemas", "ids", &id.to_string()]).map(|found| found.schema)
        })
    }

    fn version(&self, subject: &str, version: Option<i32>) -> Answered<Registered> {
        self.check(subject)?;
        let lasting = version.is_none().then_some(LATEST);
        let bytes = |registered: &Registered| size(&registered.schema);
        kept(&self.versions, (subject.to_owned(), version), lasting, (subject.len(), bytes), |_| {
            let number = version.map_or_else(|| "latest".to_owned(), |version| version.to_string());
            self.found(&["subjects", subject, "versions", &number])
        })
    }

    fn register(&self, subject: &str, schema: &Schema) -> Result<i32, RegistryError> {
        self.check(subject)?;
        if size(schema) > LARGEST {
            return Err(self.error(&format!("it was not asked: a schema of {} bytes", schema.text.len())));
        }
        let language = match schema.language {
            Language::Avro => "AVRO",
            Language::Protobuf => "PROTOBUF",
            Language::Json => "JSON",
        };
        // told of Avro too: not all registries take it for granted
        let mut body = json!({ "schemaType": language, "schema": schema.text });
        if !schema.references.is_empty() {
            let reference = |reference: &Reference| json!({ "name": reference.name, "subject": reference.subject, "version": reference.version });
            body["references"] = schema.references.iter().map(reference).collect();
        }
        let text = body.to_string();
        let bytes = subject.len() + text.len();
        let id = kept(&self.registered, (subject.to_owned(), text), None, (bytes, |_: &i32| 0), |_| {
            let response = self.ask(&["subjects", subject, "versions"], Some(&body))?;
            // what was the latest may be so no longer
            self.versions.forget(&(subject.to_owned(), None));
            let id: Option<Id> = serde_json::from_slice(&response.body).ok();
            id.map(|id| id.id).ok_or_else(|| Trouble::Refused(self.strange()))
        })?;
        Ok(*id)
    }
}
