//! The shapes of records seen before: the text between their values.
//!
//! Programs write records whose names, order and white space hardly ever change. Once a record has been parsed, the
//! text between its values is kept; a later record that has the same text there, and a JSON value wherever the other
//! had one, is JSON too, and its values mean the same. So such a record is compared and not parsed.
//!
//! Shapes are kept as a tree, in which those that begin alike share their beginning: flights with `"Airport"` and with
//! `"airport"` part at the first of these names, each with an alternative to try.

use super::paths::Place;
use super::scan;
use crate::block::{self, Block};

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

/// A value of a record that was parsed.
pub(super) struct Step {
    /// The place it belongs to, if any.
    pub(super) place: Option<usize>,
    pub(super) start: usize,
    pub(super) end: usize,
    /// In how many objects and arrays it stands.
    pub(super) depth: u32,
}

/// The text before a value, or behind the last one.
struct Node {
    /// The text's first two blocks, padded, and which of their bytes count.
    head: [Block; 2],
    masks: [u32; 2],
    /// The whole text.
    text: (usize, usize),
    len: usize,
    /// The depth of the value behind the text; 0 where the text is the record's end.
    depth: u32,
    /// The place of the value behind the text; `NONE` where nobody wants it. At the end: which of `missing` is the shape's.
    place: u32,
    /// What follows the value; `NONE` at the end, and where learning stopped.
    next: u32,
    /// What to try where the text is another; `NONE` where nothing is left.
    alternative: u32,
}

/// The tree.
#[derive(Default)]
pub(super) struct Shapes {
    nodes: Vec<Node>,
    text: Vec<u8>,
    /// Of each shape the places for which it has no value.
    missing: Vec<Vec<usize>>,
    misses: u32,
}

impl Shapes {
    /// Finds the values of a record whose shape is known. False says nothing of the record, and leaves any places.
    #[inline]
    pub(super) fn find(&self, record: &[u8], places: &mut [Place]) -> bool {
        let Some(mut node) = self.nodes.first() else { return false };
        let mut at = 0;
        loop {
            while !self.matches(node, record, at) || node.depth == 0 && at + node.len != record.len() {
                match self.nodes.get(node.alternative as usize) {
                    Some(alternative) => node = alternative,
                    None => return false,
                }
            }
            at += node.len;
            let Some(next) = self.nodes.get(node.next as usize) else { break };
            let Some(end) = scan::value(record, at, node.depth) else { return false };
            if let Some(place) = places.get_mut(node.place as usize) {
                *place = Place { start: at, end };
            }
            (at, node) = (end, next);
        }
        if node.depth != 0 {
            return false;
        }
        for &place in &self.missing[node.place as usize] {
            places[place] = Place::default();
        }
        true
    }

    /// Whether the record has the node's text here.
    #[inline]
    fn matches(&self, node: &Node, record: &[u8], at: usize) -> bool {
        let Some(block) = block::at(record, at) else { return self.matches_short(node, record, at) };
        if block::differ(block, &node.head[0]) & node.masks[0] != 0 {
            return false;
        }
        if node.len <= block::SIZE {
            return true;
        }
        let Some(block) = block::at(record, at + block::SIZE) else { return self.matches_short(node, record, at) };
        if block::differ(block, &node.head[1]) & node.masks[1] != 0 {
            return false;
        }
        node.len <= 2 * block::SIZE || self.matches_short(node, record, at)
    }

    /// The same for the last bytes of a record, and for long texts.
    #[inline(never)]
    fn matches_short(&self, node: &Node, record: &[u8], at: usize) -> bool {
        record[at..].starts_with(self.text(node))
    }

    fn text(&self, node: &Node) -> &[u8] {
        &self.text[node.text.0..node.text.1]
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
        let mut head = [[0; block::SIZE]; 2];
        let len = text.len().min(2 * block::SIZE);
        head.as_flattened_mut()[..len].copy_from_slice(&text[..len]);
        let mask = |len: usize| (1 << len.min(block::SIZE)) - 1;
        let start = self.text.len();
        self.text.extend_from_slice(text);
        self.nodes.push(Node {
            head,
            masks: [mask(len), mask(len.saturating_sub(block::SIZE))],
            text: (start, self.text.len()),
            len: text.len(),
            depth,
            place,
            next: NONE,
            alternative: NONE,
        });
        Some(new as usize)
    }
}
