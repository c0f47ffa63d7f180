//! Finds the values at a few paths of a record in one pass that checks all of it.

use super::shapes::{Shapes, Step};
use super::{Error, Scanner};
use std::ops::Range;

/// Where a record has the value of one path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Place {
    const BLOCKED: Place = Place { start: usize::MAX, end: 0 };

    /// Where the value's text is; `None` where the record has none.
    #[inline]
    pub fn range(&self) -> Option<Range<usize>> {
        if self.end == 0 { None } else { Some(self.start..self.end) }
    }

    /// Whether something on the path is neither an object nor null, so that there can be no value.
    #[inline]
    pub fn is_blocked(&self) -> bool {
        *self == Place::BLOCKED
    }
}

/// Where a name leads.
enum Target {
    /// To a value, with this index in the places.
    Value(usize),
    /// To an object: its node, and the indices of all values below it.
    Object(usize, Vec<usize>),
}

/// A name of an object, in all its spellings.
struct Child {
    names: Vec<String>,
    target: Target,
}

/// An object in which names are looked for.
#[derive(Default)]
struct Node {
    children: Vec<Child>,
}

/// Paths to look for in every record.
///
/// It learns the shapes of the records it sees, that is the text between their values, and compares where another
/// parser would parse: records that a program has written cost a fraction of what the first one did.
///
/// ```
/// use edgemill_guest::json::Paths;
///
/// let mut paths = Paths::new();
/// let iata = paths.add(&["origin", "iata|code"])?;
/// let record = br#"{"flight":"a-1","origin":{"iata":"ATL"}}"#;
/// let places = paths.find(record)?;
/// assert_eq!(places[iata].range().map(|range| &record[range]), Some(&b"\"ATL\""[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Paths {
    nodes: Vec<Node>,
    ignore_case: bool,
    places: Vec<Place>,
    shapes: Shapes,
    steps: Vec<Step>,
}

impl Default for Paths {
    fn default() -> Paths {
        Paths::new()
    }
}

impl Paths {
    /// No paths yet; names are compared as they are.
    pub fn new() -> Paths {
        let nodes = vec![Node::default()];
        Paths { nodes, ignore_case: false, places: Vec::new(), shapes: Shapes::default(), steps: Vec::new() }
    }

    /// No paths yet; names are compared without regard to the case of ASCII letters.
    pub fn ignoring_case() -> Paths {
        Paths { ignore_case: true, ..Paths::new() }
    }

    /// Adds a path: for each object on the way the name to follow, or several with `|` between them. Returns the index of
    /// its place, which is an earlier one where the path is not new.
    ///
    /// # Errors
    ///
    /// Where the path or a name is empty, a value would have to be an object as well, or a spelling belongs to two names.
    pub fn add(&mut self, path: &[impl AsRef<str>]) -> Result<usize, String> {
        let path: Vec<Vec<String>> = path.iter().map(|names| self.spellings(names.as_ref())).collect();
        if path.iter().flatten().any(String::is_empty) {
            return Err("a name of the path is empty".into());
        }
        let Some((last, parents)) = path.split_last() else { return Err("the path is empty".into()) };
        let mut node = 0;
        let mut passed = Vec::new();
        for names in parents {
            let known = self.child(node, names)?;
            let at = known.unwrap_or(self.nodes[node].children.len());
            if known.is_none() {
                let target = Target::Object(self.nodes.len(), Vec::new());
                self.nodes[node].children.push(Child { names: names.clone(), target });
                self.nodes.push(Node::default());
            }
            let Target::Object(next, _) = self.nodes[node].children[at].target else { return Err(conflict(names)) };
            passed.push((node, at));
            node = next;
        }
        if let Some(at) = self.child(node, last)? {
            let Target::Value(place) = self.nodes[node].children[at].target else { return Err(conflict(last)) };
            return Ok(place);
        }
        let place = self.places.len();
        self.places.push(Place::default());
        self.nodes[node].children.push(Child { names: last.clone(), target: Target::Value(place) });
        for (node, at) in passed {
            if let Target::Object(_, below) = &mut self.nodes[node].children[at].target {
                below.push(place);
            }
        }
        self.shapes = Shapes::default();
        Ok(place)
    }

    fn spellings(&self, names: &str) -> Vec<String> {
        let spell = |name: &str| if self.ignore_case { name.to_ascii_lowercase() } else { name.to_owned() };
        names.split('|').map(spell).collect()
    }

    /// The child that shares a spelling with these names; it takes the others on.
    fn child(&mut self, node: usize, names: &[String]) -> Result<Option<usize>, String> {
        let children = &mut self.nodes[node].children;
        let shares = |child: &Child| child.names.iter().any(|known| names.contains(known));
        let Some(at) = children.iter().position(shares) else { return Ok(None) };
        if children[at + 1..].iter().any(shares) {
            return Err(format!("the spellings {} belong to two names", names.join("|")));
        }
        for name in names {
            if !children[at].names.contains(name) {
                children[at].names.push(name.clone());
            }
        }
        Ok(Some(at))
    }

    /// Finds the values of a record, one place for each path. Where a name repeats the last one counts.
    ///
    /// # Errors
    ///
    /// Where the record is not JSON, or no object.
    #[inline]
    pub fn find(&mut self, record: &[u8]) -> Result<&[Place], Error> {
        if !self.shapes.find(record, &mut self.places) {
            self.parse(record)?;
        }
        Ok(&self.places)
    }

    #[inline(never)]
    fn parse(&mut self, record: &[u8]) -> Result<(), Error> {
        self.places.fill(Place::default());
        self.steps.clear();
        let mut walk = Walk {
            scanner: Scanner::new(record),
            nodes: &self.nodes,
            ignore_case: self.ignore_case,
            places: &mut self.places,
            steps: &mut self.steps,
            plain: true,
        };
        walk.object(0)?;
        walk.scanner.end()?;
        if walk.plain {
            self.shapes.learn(record, &self.steps, self.places.len());
        }
        Ok(())
    }
}

fn conflict(names: &[String]) -> String {
    format!("the path needs {} to be a value, and another path an object", names.join("|"))
}

/// One record being parsed.
struct Walk<'w, 'a> {
    scanner: Scanner<'a>,
    nodes: &'w [Node],
    ignore_case: bool,
    places: &'w mut [Place],
    steps: &'w mut Vec<Step>,
    /// Whether other values in the same shape would have the same places.
    plain: bool,
}

impl Walk<'_, '_> {
    fn object(&mut self, node: usize) -> Result<(), Error> {
        let nodes = self.nodes;
        let mut guess = 0;
        self.scanner.begin_object()?;
        while let Some(name) = self.scanner.next_name()? {
            let child = nodes[node].find(&name.unescaped_bytes(), self.ignore_case, &mut guess);
            match child.map(|child| &child.target) {
                None => drop(self.value(None)?),
                Some(&Target::Value(place)) => self.places[place] = self.value(Some(place))?,
                Some(Target::Object(child, below)) => self.target(*child, below)?,
            }
        }
        Ok(())
    }

    /// Reads what should be an object, because there are paths below it.
    fn target(&mut self, node: usize, below: &[usize]) -> Result<(), Error> {
        let first = self.scanner.peek();
        let above = if matches!(first, b'{' | b'n') { Place::default() } else { Place::BLOCKED };
        for &place in below {
            // An object that repeats takes back what the one before it had.
            self.plain &= self.places[place] == above;
            self.places[place] = above;
        }
        if first == b'{' {
            return self.object(node);
        }
        // A null becomes part of the shape: a value there would be another matter.
        self.scanner.skip()?;
        Ok(())
    }

    fn value(&mut self, place: Option<usize>) -> Result<Place, Error> {
        let depth = self.scanner.depth();
        let value = self.scanner.skip()?;
        self.steps.push(Step { place, start: value.start, end: value.end, depth });
        Ok(Place { start: value.start, end: value.end })
    }
}

impl Node {
    /// The child of this name, beginning the search at `guess`, which then moves behind it.
    #[inline]
    fn find(&self, name: &[u8], ignore_case: bool, guess: &mut usize) -> Option<&Child> {
        let (before, after) = self.children.split_at((*guess).min(self.children.len()));
        for (at, child) in (before.len()..).zip(after).chain((0..).zip(before)) {
            let same = |known: &String| match ignore_case {
                true => known.as_bytes().eq_ignore_ascii_case(name),
                false => known.as_bytes() == name,
            };
            if child.names.iter().any(same) {
                *guess = at + 1;
                return Some(child);
            }
        }
        None
    }
}
