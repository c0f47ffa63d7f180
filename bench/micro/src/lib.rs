//! What measurements inside one process stand on: flights in memory, modules, and a source and a sink that cost next to nothing,
//! so that what is left is the host's own work.

pub mod ends;
pub mod flights;
pub mod guests;
pub mod pass;
