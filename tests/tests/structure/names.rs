//! The paths that a file names: `crate::…` and `super::…` as places in the crate, all others as they begin.

use std::collections::HashMap;

use super::text::Token;

/// A path that a file names, absolute: it begins with `crate`, or with the name of another crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

impl Name {
    /// Tells whether this path is the one given (`a::b`) or one below it.
    pub(crate) fn is_in(&self, place: &str) -> bool {
        let place = place.split("::");
        place.clone().count() <= self.path.len() && place.zip(&self.path).all(|(a, b)| a == b)
    }
}

/// Finds the paths of a file. `module` is its place in the crate; `children` are the names of the modules in files below it.
pub(crate) fn names(tokens: &[Token], module: &[&str], children: &[&str]) -> Vec<Name> {
    let mut reader = Reader { tokens, at: 0, found: Vec::new() };
    reader.read();
    let here = |inline: &[String]| -> Vec<String> {
        ["crate"].iter().chain(module).map(|s| (*s).to_owned()).chain(inline.iter().cloned()).collect()
    };
    let absolute = |found: &Found| -> Vec<String> {
        let mut base = here(&found.inline);
        let mut rest = found.path.as_slice();
        match rest[0].as_str() {
            "crate" | "edgemill" => base.truncate(1),
            "self" => {}
            "super" => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
                return [base, rest.to_vec()].concat();
            }
            child if children.contains(&child) => return [base, rest.to_vec()].concat(),
            _ => return rest.to_vec(),
        }
        [base, rest[1..].to_vec()].concat()
    };
    // What `use` brought in stands for its whole path further on.
    let imported: HashMap<&str, Vec<String>> =
        reader.found.iter().filter_map(|found| Some((found.imported_as.as_deref()?, absolute(found)))).collect();
    let full = |found: &Found| match imported.get(found.path[0].as_str()) {
        Some(path) if found.imported_as.is_none() => [path, &found.path[1..]].concat(),
        _ => absolute(found),
    };
    reader.found.iter().map(|found| Name { path: full(found), line: found.line }).collect()
}

struct Found {
    path: Vec<String>,
    line: usize,
    /// The modules in braces that it stands in.
    inline: Vec<String>,
    imported_as: Option<String>,
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    found: Vec<Found>,
}

impl Reader<'_> {
    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| token.text.as_str())
    }

    fn read(&mut self) {
        let mut inline: Vec<(String, usize)> = Vec::new();
        let (mut depth, mut importing) = (0, false);
        while self.at < self.tokens.len() {
            let at = self.at;
            let begins =
                is_name(self.text(at)) && (at == 0 || !matches!(self.text(at - 1), "." | "::") || self.is_rooted(at));
            match self.text(at) {
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    inline.pop_if(|(_, opened)| *opened > depth);
                }
                ";" => importing = false,
                "use" => importing = true,
                "mod" if self.text(at + 2) == "{" => inline.push((self.text(at + 1).to_owned(), depth + 1)),
                _ if begins && (self.text(at + 1) == "::" || importing) => {
                    let modules: Vec<String> = inline.iter().map(|(name, _)| name.clone()).collect();
                    self.path(&mut Vec::new(), &modules, importing);
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// A leading `::` makes a path absolute; after a name or `>` it only goes on.
    fn is_rooted(&self, at: usize) -> bool {
        self.text(at - 1) == "::" && (at < 2 || !(is_name(self.text(at - 2)) || self.text(at - 2) == ">"))
    }

    /// Reads a path from here on, its braces included: `a::{b, c::*}` is `a::b` and `a::c`.
    fn path(&mut self, before: &mut Vec<String>, inline: &[String], importing: bool) {
        let length = before.len();
        let line = self.tokens[self.at].line;
        while is_name(self.text(self.at)) {
            before.push(self.text(self.at).to_owned());
            self.at += 1;
            if self.text(self.at) != "::" {
                break;
            }
            self.at += 1;
        }
        if self.text(self.at) == "{" && self.text(self.at - 1) == "::" {
            self.at += 1;
            while !matches!(self.text(self.at), "}" | "") {
                if is_name(self.text(self.at)) {
                    self.path(before, inline, importing);
                } else {
                    self.at += 1;
                }
            }
            self.at += 1;
        } else if !before.is_empty() {
            let mut path = before.clone();
            if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            let mut name = path.last().cloned();
            if importing && self.text(self.at) == "as" {
                name = Some(self.text(self.at + 1).to_owned());
                self.at += 2;
            }
            self.found.push(Found { path, line, inline: inline.to_vec(), imported_as: name.filter(|_| importing) });
        }
        before.truncate(length);
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && !matches!(text, "use" | "mod" | "as" | "pub" | "in")
}

#[cfg(test)]
mod tests {
    use super::super::text::tokens;
    use super::names;

    fn found(source: &str) -> Vec<String> {
        names(&tokens(source), &["a", "b"], &["child"]).into_iter().map(|name| name.path.join("::")).collect()
    }

    #[test]
    fn paths_are_found_in_every_way_of_writing_them() {
        assert_eq!(
            found("use crate::x::{self, y::{Z, W as V}, u::*};"),
            ["crate::x", "crate::x::y::Z", "crate::x::y::W", "crate::x::u"]
        );
        assert_eq!(found("fn f() -> crate::x::Y { super::z::g::<u8>(1) }"), ["crate::x::Y", "crate::a::z::g"]);
        assert_eq!(found("use child::X; self::y::z();"), ["crate::a::b::child::X", "crate::a::b::y::z"]);
        assert_eq!(
            found("mod tests { use super::*; use super::super::c::D; } use super::e::F;"),
            ["crate::a::b", "crate::a::c::D", "crate::a::e::F"]
        );
        assert_eq!(found("#[tokio::main] fn f() { ::std::fs::read(x.y::<Z>()) }"), ["tokio::main", "std::fs::read"]);
    }

    #[test]
    fn what_was_imported_stands_for_its_path() {
        assert_eq!(
            found("use std::{fs as files, io}; fn f() { files::read(); io::stdout(); }"),
            ["std::fs", "std::io", "std::fs::read", "std::io::stdout"]
        );
    }
}
