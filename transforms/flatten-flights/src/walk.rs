//! Finds the schema's values in a record, checking all of it as JSON on the way.

use crate::schema::{Node, Schema, Target};
use edgemill_guest::json::{Error, Scanner};

/// What a record has for one path of the schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Nothing.
    #[default]
    Missing,
    /// A value: where its text is.
    Value(usize, usize),
    /// Something above it is no object.
    NoObject,
}

/// Fills the slots from the record. Where a name repeats the last one counts, as in most parsers.
pub(crate) fn walk(record: &[u8], schema: &Schema, slots: &mut [Slot]) -> Result<(), Error> {
    slots.fill(Slot::Missing);
    let mut scanner = Scanner::new(record);
    object(&mut scanner, schema, 0, slots)?;
    scanner.end()
}

fn object(scanner: &mut Scanner<'_>, schema: &Schema, node: usize, slots: &mut [Slot]) -> Result<(), Error> {
    let node: &Node = &schema.nodes[node];
    let mut guess = 0;
    scanner.begin_object()?;
    while let Some(name) = scanner.next_name()? {
        match node.find(&name.unescaped_bytes(), &mut guess).map(|child| &child.target) {
            None => drop(scanner.skip()?),
            Some(Target::Slot(slot)) => {
                let value = scanner.skip()?;
                slots[*slot] = Slot::Value(value.start, value.end);
            }
            Some(Target::Node(child, below)) => {
                let first = scanner.peek();
                let above = if matches!(first, b'{' | b'n') { Slot::Missing } else { Slot::NoObject };
                for &slot in below {
                    slots[slot] = above;
                }
                if first == b'{' {
                    object(scanner, schema, *child, slots)?;
                } else {
                    scanner.skip()?;
                }
            }
        }
    }
    Ok(())
}
