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
    if is_of(error, io::ErrorKind::ConnectionRefused) {
        return Some(NOBODY);
    }
    // who does not read what it cannot understand resets the connection when it hangs up
    let is_reset = is_of(error, io::ErrorKind::ConnectionReset);
    if is_reset && error.is_connect() && error.url().is_some_and(|url| url.scheme() == "https") {
        return Some(HUNG_UP);
    }
    // tokio-rustls's and hyper's own words for a server that hangs up on TLS, for bytes that are no answer, and for unknown names
    let known = [("tls handshake eof", HUNG_UP), ("invalid HTTP version parsed", TLS), ("dns error", NAMELESS)];
    let causes = causes(error);
    known.iter().find(|(words, _)| causes.contains(words)).map(|(_, remedy)| *remedy)
}

/// Whether the system's own error is of this kind: it may be wrapped in another one.
fn is_of(error: &(dyn Error + 'static), kind: io::ErrorKind) -> bool {
    let mut next = find::<io::Error>(error);
    while let Some(error) = next {
        if error.kind() == kind {
            return true;
        }
        next = error.get_ref().and_then(|wrapped| find::<io::Error>(wrapped));
    }
    false
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_server_without_tls_that_hangs_up_either_way_is_asked_about() {
        drop(rustls::crypto::ring::default_provider().install_default());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for reads in [true, false] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("https://{}/rows", listener.local_addr().unwrap());
            let server = std::thread::Builder::new().name("plain".to_owned()).spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut hello = [0; 4096];
                // what was not read makes a reset of the end
                if reads { io::Read::read(&mut stream, &mut hello) } else { stream.peek(&mut hello) }.unwrap()
            });
            let error = runtime.block_on(reqwest::Client::new().post(url).send()).unwrap_err();
            let Answer::Again { message, .. } = failed(error, &Secrets::default()) else { panic!("it may pass") };
            assert!(message.ends_with(HUNG_UP), "reads {reads}: {message}");
            server.unwrap().join().unwrap();
        }
    }
}
