//! Nothing: the programs are the examples.
