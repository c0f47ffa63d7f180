//! The HTTP client, and what statuses mean everywhere.

use super::endpoint::Answer;
use super::secrets::Secrets;
use super::wanted::Wanted;
use crate::config::{Address, HttpClient as Config, Secret};
use bytes::Bytes;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Client, Identity, RequestBuilder, StatusCode, redirect};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

mod failure;

/// How much of an answer is read: as much as 100,000 rows' errors.
pub(super) const ANSWER: usize = 64 << 20;

/// What came back. Its words are told by the methods, which hide what is secret.
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
    headers: HeaderMap,
    secrets: Arc<Secrets>,
}

/// Makes a client. It follows no redirects: a request that was moved is a configuration to correct.
///
/// # Errors
/// A file of certificates cannot be used.
pub(super) fn client(config: &Config) -> Result<Client, String> {
    // another part of the program may have chosen one: any does
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client = Client::builder()
        .user_agent(concat!("edgemill/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(config.timeout.min(Duration::from_secs(10)))
        .timeout(config.timeout);
    let read = |path: &Path| fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()));
    if let Some(path) = &config.ca {
        let certificates = Certificate::from_pem_bundle(&read(path)?);
        let wrong = |error| format!("{} has no certificates in PEM form: {error}", path.display());
        let certificates = certificates.map_err(wrong)?;
        if certificates.is_empty() {
            return Err(format!("{} has no certificate in PEM form", path.display()));
        }
        client = client.tls_certs_only(certificates);
    }
    let mut pair = String::new();
    if let Some((certificate, key)) = &config.identity {
        pair = format!(
            "; {} and {} are perhaps no pair: name a certificate and its own key",
            certificate.display(),
            key.display()
        );
        let pem = [read(certificate)?, b"\n".to_vec(), read(key)?].concat();
        let identity = Identity::from_pem(&pem).map_err(|error| {
            format!(
                "{} and {} are no certificate and its key in PEM form: {error}",
                certificate.display(),
                key.display()
            )
        })?;
        client = client.identity(identity);
    }
    client.build().map_err(|error| format!("cannot make an HTTP client: {}{pair}", failure::causes(&error)))
}

/// The headers of every request, among them what kind of text its body is.
///
/// # Errors
/// One cannot be sent.
pub(super) fn headers(kind: &'static str, given: &BTreeMap<String, Secret>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
    for (name, value) in given {
        let wrong =
            || format!("the header {name:?} cannot be sent: a name is of letters, digits and `-`, a value on one line");
        let mut text = HeaderValue::from_str(&value.0).map_err(|_| wrong())?;
        text.set_sensitive(true);
        headers.insert(HeaderName::try_from(name).map_err(|_| wrong())?, text);
    }
    Ok(headers)
}

/// Compresses a body where that is asked for.
pub(super) fn body(request: RequestBuilder, body: Bytes, gzip: bool) -> RequestBuilder {
    if !gzip {
        return request.body(body);
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(body.len() / 4), flate2::Compression::fast());
    let written = encoder.write_all(&body).and_then(|()| encoder.finish());
    request.header(CONTENT_ENCODING, "gzip").body(written.expect("writing to memory cannot fail"))
}

/// Sends a request, where it is wanted still, and reads the answer.
///
/// # Errors
/// There was none, or not all of it came: the request may have worked, or not.
pub(super) async fn exchange(
    request: RequestBuilder,
    secrets: &Arc<Secrets>,
    wanted: &Wanted,
) -> Result<Response, Answer> {
    exchange_within(request, secrets, ANSWER, wanted).await
}

/// The same, with an answer of so many bytes at the most.
///
/// # Errors
/// See there.
pub(super) async fn exchange_within(
    request: RequestBuilder,
    secrets: &Arc<Secrets>,
    most: usize,
    wanted: &Wanted,
) -> Result<Response, Answer> {
    wanted.check()?;
    let again = |error: reqwest::Error| failure::failed(error, secrets);
    let once_more = request.try_clone();
    let mut response = match (request.send().await, once_more) {
        (Err(error), Some(once_more)) if nothing_was_sent(&error) => {
            wanted.check()?;
            once_more.send().await
        }
        (sent, _) => sent,
    }
    .map_err(again)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(again)? {
        if body.len() + chunk.len() > most {
            let message = format!("the answer, status {status}, has more than {most} bytes");
            return Err(Answer::Again { message, after: None, slower: false });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Response { status, headers, body, secrets: secrets.clone() })
}

/// Whether the server closed a new connection before it was used, as one does that refuses a client's certificate: the next try
/// is told why.
fn nothing_was_sent(error: &reqwest::Error) -> bool {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.into_iter().any(|cause| cause.to_string().contains("connection was not ready"))
}

impl Response {
    /// The status and the beginning of the body, for a person.
    pub(super) fn shown(&self) -> String {
        let told = self.secrets.tell_shortly(&String::from_utf8_lossy(&self.body));
        if told.is_empty() { format!("status {}", self.status) } else { format!("status {}: {told}", self.status) }
    }

    /// What the status says by itself; none where the body has a say: 2xx, 400, 409, 413, 422 and what is not known.
    pub(super) fn verdict(&self, url: impl Display) -> Option<Answer> {
        let message = || format!("{url}: {}", self.shown());
        Some(match self.status.as_u16() {
            408 | 425 | 500..=599 => Answer::Again { message: message(), after: self.retry_after(), slower: false },
            429 => Answer::Again { message: message(), after: self.retry_after(), slower: true },
            300..=399 => {
                let to = self.headers.get("location").map_or(b"".as_slice(), HeaderValue::as_bytes);
                // where it leads to may have a query too, and the request's secrets in it
                let to = Address::new(String::from_utf8_lossy(to)).to_string();
                let to = self.secrets.tell_shortly(&to);
                Answer::Fatal(format!("{url} has moved ({}): {to}; correct the address", self.status))
            }
            401 | 403 | 407 => Answer::Fatal(format!("{}; correct the credentials, or their rights", message())),
            404 | 405 | 410 => Answer::Fatal(format!("{}; correct the address", message())),
            _ => None?,
        })
    }

    /// How long to wait, by the answer's word: seconds or a date (RFC 9110, 10.2.3), an hour at the most.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        let wait = match text.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => {
                let date = jiff::fmt::rfc2822::parse(text).ok()?;
                SystemTime::from(date.timestamp()).duration_since(SystemTime::now()).unwrap_or_default()
            }
        };
        Some(wait.min(Duration::from_secs(3600)))
    }
}
