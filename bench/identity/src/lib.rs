//! Gives every record back as it came, with its value copied: what the way through the sandbox costs when nothing is done there.

use edgemill_guest::{Outputs, Record, Result, export};

/// Copies the value. `out.keep()` would let the host send its own bytes on, and nothing would cross the boundary.
///
/// # Errors
/// None.
pub fn identity(record: &Record<'_>, out: &mut Outputs<'_>) -> Result {
    out.emit().value(record.value());
    Ok(())
}

export!(fn identity);

#[cfg(test)]
mod tests {
    use edgemill_guest::testing::{Harness, Input};

    use super::identity;

    #[test]
    fn nothing_changes_and_null_stays_null() {
        let results = Harness::of(identity).run([Input::from("a"), Input::default(), Input::from("")]);
        let values: Vec<_> = results.outputs.iter().map(|output| output.value.as_deref()).collect();
        assert_eq!(values, [Some(&b"a"[..]), None, Some(&b""[..])]);
    }
}
