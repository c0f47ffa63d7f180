//! The shapes of records seen before: the text between their values.
//!
//! Programs write records whose names, order and white space hardly ever change. Once a record has been parsed, the
//! text between its values is kept; a later record that has the same text there, and a JSON value wherever the other
//! had one, is JSON too, and its values mean the same. So such a record is compared and not parsed.
//!
//! Shapes are kept as a tree, in which those that begin alike share their beginning: flights with `"Airport"` and with
//! `"airport"` part at the first of these names, each with an alternative to try.

use super::index::Index;
use super::paths::Place;
use super::scan;
use crate::block;

/// More shapes than these are not worth comparing.
const MAX_NODES: usize = 512;
/// Nor is more text than this, in bytes.
const MAX_TEXT: usize = 256 << 10;
/// How many alternatives one text has at most.
const MAX_ALTERNATIVES: usize = 8;
/// How many records may miss before a full tree is forgotten and learned anew.
const PATIENCE: u32 = 10_000;
/// No node, no place.
const NONE: u32 = u32::MAX;
/// No shape.
const NOWHERE: usize = usize::MAX;

/// A value of a record that was parsed.
pub(super) struct Step {
    /// The place it belongs to, if any.
    pub(super) place: Option<usize>,
    pub(super) start: usize,
    pub(super) end: usize,
    /// In how many objects and arrays it stands.
    pub(super) depth: u32,
}

/// The text before a value, or behind the last one. As large as what a processor fetches at once.
#[repr(align(64))]
struct Node {
    /// The text's first bytes, padded.
    head: [u8; block::PAIR],
    /// Which of them count, as bits.
    mask: u32,
    /// Where the whole text is.
    start: u32,
    len: u32,
    /// The depth of the value behind the text; 0 where the text is the record's end.
    depth: u32,
    /// The place of the value behind the text; `NONE` where nobody wants it. At the end: which of `missing` is the shape's.
    place: u32,
    /// What follows the value; `NONE` at the end, and where learning stopped.
    next: u32,
    /// What to try where the text is another; `NONE` where nothing is left.
    alternative: u32,
    /// Whether more than the first bytes has to be looked at.
    is_long: bool,
}

/// The tree.
#[derive(Default)]
pub(super) struct Shapes {
    nodes: Vec<Node>,
    text: Vec<u8>,
    /// Of each shape the places for which it has no value.
    missing: Vec<Vec<usize>>,
    misses: u32,
    index: Index,
}

impl Shapes {
    /// Finds the values of a record whose shape is known. False says nothing of the record, and leaves any places.
    #[inline]
    pub(super) fn find(&mut self, record: &[u8], places: &mut Vec<Place>) -> bool {
        if self.nodes.is_empty() || !self.index.read(record) {
            return false;
        }
        let Some(missing) = self.missing.get(self.walk(record, places)) else { return false };
        for &place in missing {
            places[place] = Place::default();
        }
        true
    }

    /// Follows the record from text to text; returns which of `missing` is its shape's, and an index beyond them where there is none.
    ///
    /// What is rare is in functions of its own, here and in the index: a loop that calls nothing keeps what it works on in
    /// registers.
    #[inline(never)]
    #[expect(clippy::ptr_arg, reason = "a slice would be a fifth argument, and those go through memory in halves")]
    fn walk(&self, record: &[u8], places: &mut Vec<Place>) -> usize {
        let Some(mut node) = self.nodes.first() else { return NOWHERE };
        let mut at = 0;
        loop {
            let differ = block::differ_of_pair(self.index.pair(record, at), &node.head) & node.mask;
            if differ != 0 || node.is_long {
                let Some(other) = self.alternative(node, &record, at) else { return NOWHERE };
                node = other;
            }
            at += node.len as usize;
            let Some(next) = self.nodes.get(node.next as usize) else { break };
            let Some(end) = self.value(record, at, node.depth) else { return NOWHERE };
            if let Some(place) = places.get_mut(node.place as usize) {
                *place = Place { start: at, end };
            }
            (at, node) = (end, next);
        }
        if node.depth == 0 && at == record.len() { node.place as usize } else { NOWHERE }
    }

    /// The first node from `node` on, over its alternatives, that fits.
    #[inline(never)]
    fn alternative<'s>(&'s self, mut node: &'s Node, record: &&[u8], at: usize) -> Option<&'s Node> {
        loop {
            let differ = block::differ_of_pair(self.index.pair(record, at), &node.head) & node.mask;
            if differ == 0 && (!node.is_long || self.is_at(node, record, at)) {
                return Some(node);
            }
            node = self.nodes.get(node.alternative as usize)?;
        }
    }

    /// Where the value that begins at `at` ends; `None` where there is no value right there.
    #[inline]
    fn value(&self, record: &[u8], at: usize, depth: u32) -> Option<usize> {
        let first = *record.get(at)?;
        if first == b'"' {
            let end = self.index.stop(at + 1);
            if *record.get(end)? == b'"' {
                return Some(end + 1);
            }
        } else if first.is_ascii_digit() {
            return scan::number(record, at).ok();
        } else if first == b'n' && record[at..].first_chunk() == Some(b"null") {
            return Some(at + 4);
        }
        scan::value(record, at, depth)
    }

    /// Whether the whole text is there, and at the end of a record nothing else.
    fn is_at(&self, node: &Node, record: &[u8], at: usize) -> bool {
        let rest = record.get(at..).and_then(|rest| rest.strip_prefix(self.text(node)));
        rest.is_some_and(|rest| node.depth > 0 || rest.is_empty())
    }

    fn text(&self, node: &Node) -> &[u8] {
        &self.text[node.start as usize..][..node.len as usize]
    }

    /// Keeps the shape of a record that was parsed.
    #[cold]
    pub(super) fn learn(&mut self, record: &[u8], steps: &[Step], places: usize) {
        self.misses += 1;
        let fits = |nodes, text| nodes + steps.len() < MAX_NODES && text + record.len() < MAX_TEXT;
        if !fits(self.nodes.len(), self.text.len()) {
            if !fits(0, 0) || self.misses < PATIENCE {
                return;
            }
            *self = Shapes::default();
        }
        let mut at = 0;
        let mut parent = None;
        for step in steps {
            let text = &record[at..step.start];
            let place = step.place.map_or(NONE, |place| place as u32);
            let Some(node) = self.follow(parent, text, place, step.depth) else { return };
            parent = Some(node);
            at = step.end;
        }
        let shape = self.missing.len();
        if let Some(end) = self.follow(parent, &record[at..], shape as u32, 0)
            && self.nodes[end].place as usize == shape
        {
            let has = |place: usize| steps.iter().any(|step| step.place == Some(place));
            self.missing.push((0..places).filter(|&place| !has(place)).collect());
        }
    }

    /// The node for this text behind `parent`, made where it is new; `None` where there are too many already.
    fn follow(&mut self, parent: Option<usize>, text: &[u8], place: u32, depth: u32) -> Option<usize> {
        let new = self.nodes.len() as u32;
        let mut known = match parent {
            Some(parent) => self.nodes[parent].next,
            None if self.nodes.is_empty() => NONE,
            None => 0,
        };
        let mut before = None;
        let mut alternatives = 0;
        while let Some(node) = self.nodes.get(known as usize) {
            if self.text(node) == text && node.depth == depth {
                return Some(known as usize);
            }
            alternatives += 1;
            if alternatives == MAX_ALTERNATIVES {
                return None;
            }
            before = Some(known as usize);
            known = node.alternative;
        }
        match (before, parent) {
            (Some(before), _) => self.nodes[before].alternative = new,
            (None, Some(parent)) => self.nodes[parent].next = new,
            (None, None) => {}
        }
        let mut head = [0; block::PAIR];
        let len = text.len().min(block::PAIR);
        head[..len].copy_from_slice(&text[..len]);
        let start = self.text.len() as u32;
        self.text.extend_from_slice(text);
        self.nodes.push(Node {
            head,
            // Behind a record's end the index has zeros, which no JSON has.
            mask: if depth == 0 { u32::MAX } else { ((1u64 << len) - 1) as u32 },
            start,
            len: text.len() as u32,
            depth,
            place,
            next: NONE,
            alternative: NONE,
            is_long: text.len() > block::PAIR,
        });
        Some(new as usize)
    }
}
