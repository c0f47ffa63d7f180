//! Destinations that a guest may name.

use std::collections::HashMap;

/// A destination: 0 is the pipeline's default, the others are declared in its sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Route(pub u16);

impl Route {
    /// Where records go that name no route.
    pub const DEFAULT: Route = Route(0);

    /// Where the host sends dead letters.
    pub const DEAD_LETTER: Route = Route(u16::MAX);
}

/// The declared destinations of a pipeline.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    by_name: HashMap<String, Route>,
    names: Vec<String>,
}

impl Routes {
    /// The default destination's name and those that a guest may name. The default may be named too.
    pub fn new(default: &str, declared: &[String]) -> Self {
        let mut routes = Self { by_name: HashMap::new(), names: Vec::new() };
        for name in std::iter::once(default).chain(declared.iter().map(String::as_str)) {
            if !routes.by_name.contains_key(name) {
                let route =
                    Route(u16::try_from(routes.names.len()).expect("configuration declares fewer than 65,536 routes"));
                routes.by_name.insert(name.to_owned(), route);
                routes.names.push(name.to_owned());
            }
        }
        routes
    }

    /// The route of a name that a guest gave.
    pub fn find(&self, name: &str) -> Option<Route> {
        self.by_name.get(name).copied()
    }

    /// All names, by route.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}
