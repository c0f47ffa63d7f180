//! Scenarios: what the host does with real servers. One binary, so that all share one broker.
//!
//! A scenario that tries to break a promise of the design is named `promise_<name>_…`.

mod scenarios {
    mod admin;
    mod authors;
    mod breaker;
    mod cloud;
    mod cluster;
    mod connect;
    mod connect_table;
    mod corked;
    mod drop;
    mod examples;
    mod examples_check;
    mod examples_errors;
    mod examples_refused;
    mod featurebase_sql;
    mod featurebase_stand_in;
    mod fire;
    mod flights;
    mod foreign;
    mod groups;
    mod harness;
    mod hostile;
    mod kafka_errors;
    mod kept;
    mod kill;
    mod languages;
    mod late;
    mod load;
    mod look_back;
    mod million;
    mod mixed;
    mod moves;
    mod new;
    mod once;
    mod pages;
    mod parallel;
    mod pipeline;
    mod poison;
    mod policy;
    mod quiet;
    mod rebalances;
    mod redpanda;
    mod redrive;
    mod registry;
    mod replay;
    mod shape;
    mod stalled;
    mod start;
    mod swap;
    mod tap;
    mod tls;
    mod trap_lines;
    mod words;
}
