//! Edgemill.
fn main() {}
