//! A server that notes what it got, and answers as a test wants it to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Noted {
    /// Method and path.
    pub(super) line: String,
    /// By their names in small letters.
    pub(super) headers: BTreeMap<String, String>,
    /// As it was sent, or unpacked.
    pub(super) body: String,
}

/// What is said: a status, more headers, and a body.
pub(super) type Said = (u16, &'static str, String);

/// A login's answer: a token that lasts so many seconds.
pub(super) fn token(text: &str, seconds: f64) -> Said {
    (200, "", format!(r#"{{"AuthenticationResult":{{"IdToken":"{text}","ExpiresIn":{seconds}}}}}"#))
}

/// See the module. It ends with the tests.
pub(super) struct Service {
    pub(super) address: String,
    noted: Arc<Mutex<Vec<Noted>>>,
}

impl Service {
    /// Starts it. `answer` is given each request, and all before it.
    pub(super) fn start(mut answer: impl FnMut(&Noted, &[Noted]) -> Said + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, noted) = (listener.local_addr().unwrap().to_string(), Arc::new(Mutex::new(Vec::new())));
        let notes = noted.clone();
        let serve = move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Ok(request) = read(&stream) else { continue };
                let (status, headers, body) = answer(&request, &notes.lock().unwrap());
                notes.lock().unwrap().push(request);
                let length = body.len();
                let head = format!("HTTP/1.1 {status} x\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n");
                drop((&stream).write_all(format!("{head}\r\n{body}").as_bytes()));
            }
        };
        std::thread::Builder::new().name("service".to_owned()).spawn(serve).unwrap();
        Self { address, noted }
    }

    /// What came.
    pub(super) fn noted(&self) -> Vec<Noted> {
        self.noted.lock().unwrap().clone()
    }

    /// Methods and paths of what came.
    pub(super) fn lines(&self) -> Vec<String> {
        self.noted().into_iter().map(|request| request.line).collect()
    }
}

fn read(stream: &TcpStream) -> std::io::Result<Noted> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut headers) = (String::new(), BTreeMap::new());
    reader.read_line(&mut line)?;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let (mut bytes, mut body) = (vec![0; length], String::new());
    reader.read_exact(&mut bytes)?;
    if headers.get("content-encoding").is_some_and(|how| how == "gzip") {
        flate2::read::GzDecoder::new(&*bytes).read_to_string(&mut body)?;
    } else {
        body = String::from_utf8_lossy(&bytes).into_owned();
    }
    Ok(Noted { line: line.rsplit_once(' ').map_or("", |(line, _)| line).to_owned(), headers, body })
}
