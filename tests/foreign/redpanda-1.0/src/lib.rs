//! Nothing: the modules are the examples, each a library of its own.
