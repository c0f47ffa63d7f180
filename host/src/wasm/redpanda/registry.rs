//! The schema registry, as transforms import it: answers by number, and schemas in the SDKs' own encoding.

use super::payload::{self, Malformed, Reader};
use super::{REGISTRY, imports};
use crate::registry::{Language, Reference, Registry, RegistryError, Schema};
use crate::wasm::guest::Waited;
use crate::wasm::limits::Call;
use crate::wasm::plain::{State, memory, outside, piece};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::{Caller, Linker, Module};

/// What calls answer where no registry is configured, and where it came to nothing.
const NONE: i32 = -1;
const FAILED: i32 = -2;

/// The version by which the latest is meant.
const LATEST: i32 = -1;

/// The marker of the only version of these functions that there is.
const MARKER: &str = "check_abi_version_0";

/// For how many answers that are as late as they may be a call waits, all in all: one for many records, which is then done again in
/// halves, with what was answered at hand; and one for a record alone. The worker does nothing else meanwhile, and its group waits.
const LATE_OF_MANY: u32 = 2;
const LATE_ALONE: u32 = 4;

type Guest<'a> = Caller<'a, State>;

/// What a guest asks and is answered.
pub(super) struct Asked {
    registry: Option<Arc<dyn Registry>>,
    /// How long it has waited in the call in progress.
    waited: Duration,
    /// Why its last question came to nothing, for the case that it ends for that.
    pub(super) trouble: Option<String>,
    /// The answer whose length it has just been told: it asks for that next, and must get no other.
    told: Option<(Question, Vec<u8>)>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Question {
    Definition(i32),
    OfSubject(String, i32),
}

impl Asked {
    pub(super) fn new(registry: Option<Arc<dyn Registry>>) -> Self {
        Self { registry, waited: Duration::ZERO, trouble: None, told: None }
    }

    /// Another call begins.
    pub(super) fn begin(&mut self) {
        self.waited = Duration::ZERO;
        self.trouble = None;
    }
}

/// Whether a module can ask, and does not merely say which version it would. The VM of transforms in JavaScript always can.
pub(super) fn may_be_asked(module: &Module) -> bool {
    module.imports().any(|import| import.module() == REGISTRY && import.name() != MARKER)
}

/// Puts its functions into a linker.
///
/// # Errors
/// The engine's own.
// Promise: closed
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(REGISTRY, MARKER, || {})?;
    linker.func_wrap(REGISTRY, "get_schema_definition_len", |mut guest: Guest<'_>, id: i32, at: u32| {
        length(&mut guest, Question::Definition(id), at)
    })?;
    linker.func_wrap(REGISTRY, "get_schema_definition", |mut guest: Guest<'_>, id: i32, at: u32, room: u32| {
        copy(&mut guest, Question::Definition(id), at, room)
    })?;
    for name in ["get_subject_schema_len", "get_schema_subject_len"] {
        linker.func_wrap(REGISTRY, name, |mut guest: Guest<'_>, subject: u32, size: u32, version: i32, at: u32| {
            match text(&mut guest, subject, size)? {
                Some(subject) => length(&mut guest, Question::OfSubject(subject, version), at),
                None => Ok(FAILED),
            }
        })?;
    }
    for name in ["get_subject_schema", "get_schema_subject"] {
        linker.func_wrap(
            REGISTRY,
            name,
            |mut guest: Guest<'_>, subject: u32, size: u32, version: i32, at: u32, room: u32| match text(
                &mut guest, subject, size,
            )? {
                Some(subject) => copy(&mut guest, Question::OfSubject(subject, version), at, room),
                None => Ok(FAILED),
            },
        )?;
    }
    linker.func_wrap(
        REGISTRY,
        "create_subject_schema",
        |mut guest: Guest<'_>, subject: u32, size: u32, at: u32, length: u32, id_at: u32| {
            let Some(subject) = text(&mut guest, subject, size)? else { return Ok(FAILED) };
            let (memory, state) = memory(&mut guest)?;
            let bytes = piece(memory, at, length).ok_or_else(|| outside(REGISTRY, at, length))?;
            let Ok(schema) = read(bytes) else {
                imports::desk(state)?.registry.trouble = Some("what was to be registered is no schema".to_owned());
                return Ok(FAILED);
            };
            match ask(&mut guest, |registry| registry.register(&subject, &schema))? {
                Ok(id) => put(&mut guest, id_at, &id.to_le_bytes()).map(|()| 0),
                Err(code) => Ok(code),
            }
        },
    )?;
    Ok(())
}

/// Asks the registry. An answer for the guest where that comes to nothing.
// Promise: bounds
fn ask<T>(
    guest: &mut Guest<'_>,
    question: impl FnOnce(&dyn Registry) -> Result<T, RegistryError>,
) -> wasmtime::Result<Result<T, i32>> {
    let desk = imports::desk(guest.data_mut())?;
    let late = if matches!(desk.call, Call::Each(2..)) { LATE_OF_MANY } else { LATE_ALONE };
    let asked = &mut desk.registry;
    let Some(registry) = asked.registry.clone() else {
        asked.trouble = Some("none is configured: add `[schema-registry]`".to_owned());
        return Ok(Err(NONE));
    };
    let most = registry.timeout() * late;
    if asked.waited > most {
        let message = format!("waited {:.1?} for the schema registry, and {most:?} is the most", asked.waited);
        return Err(Waited(message).into());
    }
    let began = Instant::now();
    let answer = question(&*registry);
    let waited = began.elapsed();
    asked.waited += waited;
    let answer = answer.map_err(|error| {
        asked.trouble = Some(error.to_string());
        FAILED
    });
    guest.data_mut().waited(waited);
    Ok(answer)
}

/// What a guest is given for a question.
fn answer(guest: &mut Guest<'_>, question: &Question) -> wasmtime::Result<Result<Vec<u8>, i32>> {
    ask(guest, |registry| {
        let mut bytes = Vec::new();
        match question {
            Question::Definition(id) => write(&mut bytes, &*registry.schema(*id)?),
            Question::OfSubject(subject, version) => {
                let registered = registry.version(subject, (*version != LATEST).then_some(*version))?;
                payload::number(&mut bytes, i64::from(registered.id));
                payload::number(&mut bytes, i64::from(registered.version));
                write(&mut bytes, &registered.schema);
            }
        }
        Ok(bytes)
    })
}

/// Tells the guest how long an answer is.
fn length(guest: &mut Guest<'_>, question: Question, at: u32) -> wasmtime::Result<i32> {
    match answer(guest, &question)? {
        Ok(bytes) => {
            put(guest, at, &(bytes.len() as u32).to_le_bytes())?;
            imports::desk(guest.data_mut())?.registry.told = Some((question, bytes));
            Ok(0)
        }
        Err(code) => Ok(code),
    }
}

/// Gives the guest an answer: the one whose length it knows, where it was told.
fn copy(guest: &mut Guest<'_>, question: Question, at: u32, room: u32) -> wasmtime::Result<i32> {
    let told = imports::desk(guest.data_mut())?.registry.told.take();
    let bytes = match told.filter(|(of, _)| *of == question) {
        Some((_, bytes)) => Ok(bytes),
        None => answer(guest, &question)?,
    };
    match bytes {
        Ok(bytes) if bytes.len() <= room as usize => put(guest, at, &bytes).map(|()| bytes.len() as i32),
        Ok(_) => Ok(FAILED),
        Err(code) => Ok(code),
    }
}

fn put(guest: &mut Guest<'_>, at: u32, bytes: &[u8]) -> wasmtime::Result<()> {
    let (memory, _) = memory(guest)?;
    Ok(imports::put(memory, REGISTRY, at, bytes)?)
}

/// A subject's name in the guest's memory; `None` where it is no text.
fn text(guest: &mut Guest<'_>, at: u32, size: u32) -> wasmtime::Result<Option<String>> {
    let (memory, state) = memory(guest)?;
    let bytes = piece(memory, at, size).ok_or_else(|| outside(REGISTRY, at, size))?;
    let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
    if text.is_none() {
        imports::desk(state)?.registry.trouble = Some("the name of a subject is no UTF-8".to_owned());
    }
    Ok(text)
}

/// Writes a schema as transforms read it: its language, itself, and what it refers to.
fn write(bytes: &mut Vec<u8>, schema: &Schema) {
    let language = match schema.language {
        Language::Avro => 0,
        Language::Protobuf => 1,
        Language::Json => 2,
    };
    payload::number(bytes, language);
    payload::put(bytes, Some(schema.text.as_bytes()));
    payload::number(bytes, schema.references.len() as i64);
    for reference in &schema.references {
        payload::put(bytes, Some(reference.name.as_bytes()));
        payload::put(bytes, Some(reference.subject.as_bytes()));
        payload::number(bytes, i64::from(reference.version));
    }
}

/// Reads a schema as transforms write it.
fn read(bytes: &[u8]) -> Result<Schema, Malformed> {
    let mut reader = Reader(bytes);
    let language = match reader.number()? {
        0 => Language::Avro,
        1 => Language::Protobuf,
        2 => Language::Json,
        _ => return Err(Malformed),
    };
    fn text(reader: &mut Reader<'_>) -> Result<String, Malformed> {
        let bytes = reader.field()?.ok_or(Malformed)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| Malformed)
    }
    let schema = text(&mut reader)?;
    let mut references = Vec::new();
    for _ in 0..reader.number()? {
        let (name, subject) = (text(&mut reader)?, text(&mut reader)?);
        let version = i32::try_from(reader.number()?).map_err(|_| Malformed)?;
        references.push(Reference { name, subject, version });
    }
    if reader.is_empty() { Ok(Schema { language, text: schema, references }) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_comes_back_as_it_was() {
        let reference = Reference { name: "other.proto".to_owned(), subject: "other".to_owned(), version: 3 };
        let schema =
            Schema { language: Language::Protobuf, text: "message A {}".to_owned(), references: vec![reference] };
        let mut bytes = Vec::new();
        write(&mut bytes, &schema);
        assert_eq!(bytes, b"\x02\x18message A {}\x02\x16other.proto\x0aother\x06");
        assert_eq!(read(&bytes), Ok(schema));
        bytes.push(0);
        for wrong in [&b""[..], b"\x06\x00\x00", b"\x00\x01\x00", b"\x00\x02\xff\x00", b"\x00\x00\x02", &bytes] {
            assert_eq!(read(wrong), Err(Malformed), "{wrong:x?}");
        }
    }
}
