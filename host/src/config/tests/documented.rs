//! The examples of docs/configuration.md.
