//! Port: a schema registry, which modules may ask for schemas and give theirs.

use std::sync::Arc;
use std::time::Duration;

/// The language of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Apache Avro.
    Avro,
    /// Protocol Buffers.
    Protobuf,
    /// JSON Schema.
    Json,
}

/// Another schema that one names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// What it is called there.
    pub name: String,
    /// Its subject.
    pub subject: String,
    /// Its version in that subject.
    pub version: i32,
}

/// A schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Its language.
    pub language: Language,
    /// Itself.
    pub text: String,
    /// What it refers to.
    pub references: Vec<Reference>,
}

/// A schema in its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its number in the whole registry.
    pub id: i32,
    /// Its number in the subject, from 1.
    pub version: i32,
    /// The schema.
    pub schema: Schema,
}

/// A registry did not do what it was asked for: in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RegistryError(pub String);

/// A schema registry. Its calls may wait for a server, though never for much longer than its timeout.
pub trait Registry: Send + Sync {
    /// How long one call may wait.
    fn timeout(&self) -> Duration;

    /// The schema with an id.
    ///
    /// # Errors
    /// There is none, or the registry does not answer.
    fn schema(&self, id: i32) -> Result<Arc<Schema>, RegistryError>;

    /// A version of a subject's schema, or the latest.
    ///
    /// # Errors
    /// There is none, or the registry does not answer.
    fn version(&self, subject: &str, version: Option<i32>) -> Result<Arc<Registered>, RegistryError>;

    /// Registers a schema under a subject, where it is not yet. Returns its id.
    ///
    /// # Errors
    /// The registry refuses it, or does not answer.
    fn register(&self, subject: &str, schema: &Schema) -> Result<i32, RegistryError>;
}
