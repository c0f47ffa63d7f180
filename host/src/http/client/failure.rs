//! Why a request had no answer, and whether another try may have one.

use crate::http::endpoint::Answer;
use crate::http::secrets::Secrets;
use rustls::{AlertDescription as Alert, CertificateError, Error as Tls};
use std::error::Error;
use std::fmt::Write;
use std::io;

const CA: &str = "name the file of the authority that signed the server's certificate as `tls.ca`";
const NAME: &str = "the certificate is for another name: correct the address";
const DATE: &str = "look at the server's certificate, and at both clocks";
const IDENTITY: &str =
    "the server wants a client's certificate that it knows: set, or correct, `tls.certificate` and `tls.key`";
const PLAIN: &str = "that port has no TLS: write `http://`, or another port";
const TLS: &str = "is that port one of HTTP? Where it has TLS, write `https://`";
const HUNG_UP: &str = "is that port one of TLS? Where it has none, write `http://`";
const NAMELESS: &str = "no such host is known: correct the address, or look at the machine's name service";
const NOBODY: &str = "nobody listens there: correct the address, or start the server";

/// What a failed request means. A certificate that is not trusted, or is missing, stays so until a person comes; one whose time is over
/// is renewed by its owner, and all else may pass.
pub(super) fn failed(mut error: reqwest::Error, secrets: &Secrets) -> Answer {
    if let Some(url) = error.url_mut() {
        url.set_query(None);
        url.set_fragment(None);
    }
    let error = &error;
    // a certificate's names, for instance, are the server's words
    let causes = secrets.tell(&causes(error));
    let with = |remedy: Option<&str>| remedy.map_or(causes.clone(), |remedy| format!("{causes}; {remedy}"));
    if error.is_builder() {
        return Answer::Fatal(format!("the request cannot be made: {causes}"));
    }
    let (remedy, fatal) = match find::<Tls>(error) {
        Some(tls) => of_tls(tls),
        None => (of_others(error), false),
    };
    match fatal {
        true => Answer::Fatal(with(remedy)),
        false => Answer::Again { message: with(remedy), after: None, slower: false },
    }
}

/// What to do, and whether nothing else helps.
fn of_tls(error: &Tls) -> (Option<&'static str>, bool) {
    use CertificateError as Wrong;
    match error {
        Tls::InvalidCertificate(
            Wrong::Expired | Wrong::ExpiredContext { .. } | Wrong::NotValidYet | Wrong::NotValidYetContext { .. },
        ) => (Some(DATE), false),
        Tls::InvalidCertificate(Wrong::NotValidForName | Wrong::NotValidForNameContext { .. }) => (Some(NAME), true),
        Tls::InvalidCertificate(_) => (Some(CA), true),
        Tls::AlertReceived(
            Alert::CertificateRequired
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
            | Alert::HandshakeFailure,
        ) => (Some(IDENTITY), true),
        Tls::InvalidMessage(_) => (Some(PLAIN), true),
        _ => (None, false),
    }
}

fn of_others(error: &reqwest::Error) -> Option<&'static str> {
    if find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
        return Some(NOBODY);
    }
    // tokio-rustls's and hyper's own words for a server that hangs up on TLS, for bytes that are no answer, and for unknown names
    let known = [("tls handshake eof", HUNG_UP), ("invalid HTTP version parsed", TLS), ("dns error", NAMELESS)];
    let causes = causes(error);
    known.iter().find(|(words, _)| causes.contains(words)).map(|(_, remedy)| *remedy)
}

/// The first cause of a type. What an `io::Error` wraps is no source of its own, and is looked into.
fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = wrapped.and_then(|wrapped| find::<E>(wrapped)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// An error with what caused it.
pub(super) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
