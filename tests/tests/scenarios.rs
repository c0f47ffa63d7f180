//! Scenarios: what the host does with real servers. One binary, so that all share one broker.
//!
//! A scenario that tries to break a promise of the design is named `promise_<name>_…`.

mod scenarios {
    mod groups;
    mod harness;
    mod kill;
    mod load;
}
