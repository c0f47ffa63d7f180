//! Which statements a request's lines come to where one will not do: rows that go, and rows that must not go together.

use std::collections::HashSet;

/// Statements one after the other: these ids are deleted, then these lines inserted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Step<'b> {
    /// Ids, as they stand in lines.
    pub(super) deletes: Vec<&'b [u8]>,
    /// Whole lines.
    pub(super) rows: Vec<&'b [u8]>,
}

/// Cuts lines into steps that leave what the lines would, one after the other. What a later line deletes is not inserted, so
/// all deletes come first. `apart`: no step has an `_id` twice. None: one insert of all lines does it.
pub(super) fn steps(lines: &[u8], apart: bool) -> Option<Vec<Step<'_>>> {
    let (mut gone, mut first, mut rows) = (HashSet::new(), Step::default(), Vec::new());
    for line in lines.rsplit(|byte| *byte == b'\n') {
        match line.strip_prefix(b"D") {
            Some(id) if gone.insert(id) => first.deletes.push(id),
            Some(_) => {}
            None if !gone.is_empty() && gone.contains(id(line)) => {}
            None => rows.push(line),
        }
    }
    let (mut steps, mut inserted) = (vec![first], HashSet::new());
    for line in rows.into_iter().rev() {
        if apart && !inserted.insert(id(line)) {
            inserted.clear();
            inserted.insert(id(line));
            steps.push(Step::default());
        }
        if let Some(step) = steps.last_mut() {
            step.rows.push(line);
        }
    }
    (steps.len() > 1 || !steps[0].deletes.is_empty()).then_some(steps)
}

/// The first value of a line: a text, or a number.
fn id(line: &[u8]) -> &[u8] {
    let inside = line.strip_prefix(b"[").unwrap_or(line);
    let mut escaped = false;
    let text = inside.first() == Some(&b'"');
    let ends = |(at, byte): (usize, &u8)| {
        let ends = if text { at > 0 && *byte == b'"' && !escaped } else { *byte == b',' };
        escaped = *byte == b'\\' && !escaped;
        ends.then_some(at + usize::from(text))
    };
    let end = inside.iter().enumerate().find_map(ends);
    &inside[..end.unwrap_or(inside.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn text<'a>(lines: &[&'a [u8]]) -> Vec<&'a str> {
        lines.iter().map(|line| std::str::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn an_id_ends_where_its_text_or_number_does() {
        assert_eq!(id(br#"["a",1]"#), br#""a""#);
        assert_eq!(id(br#"["a\"b\\",1]"#), br#""a\"b\\""#);
        assert_eq!(id(b"[12,1]"), b"12");
        assert_eq!(id(b""), b"");
        assert_eq!(id(b"[\""), b"\"");
    }

    #[test]
    fn what_is_deleted_goes_before_what_is_inserted_and_is_not_inserted_before() {
        assert_eq!(steps(b"[1,true]\n[2,true]\n[1,false]", false), None);
        let apart = steps(b"[1,true]\n[2,true]\n[1,false]", true).unwrap();
        let rows: Vec<_> = apart.iter().map(|step| text(&step.rows)).collect();
        assert_eq!(rows, [vec!["[1,true]", "[2,true]"], vec!["[1,false]"]]);
        let one = steps(b"D1\n[1,true]\nD1\n[2,true]\nD3\n[1,false]\n[1,true]", false).unwrap();
        assert_eq!((one.len(), text(&one[0].deletes)), (1, vec!["3", "1"]));
        assert_eq!(text(&one[0].rows), ["[2,true]", "[1,false]", "[1,true]"]);
    }

    proptest! {
        #[test]
        fn each_id_ends_as_if_line_by_line(
            lines in proptest::collection::vec((0..5u8, proptest::option::of(0..9u8)), 1..40), apart in any::<bool>()
        ) {
            let body: Vec<String> = lines.iter().map(|(id, row)| match row {
                Some(row) => format!("[\"{id}\",{row}]"),
                None => format!("D\"{id}\""),
            }).collect();
            let body = body.join("\n");
            let mut expected = BTreeMap::new();
            for (id, row) in &lines {
                match row {
                    Some(row) => drop(expected.insert(format!("\"{id}\""), format!("[\"{id}\",{row}]"))),
                    None => drop(expected.remove(&format!("\"{id}\""))),
                }
            }
            let mut table = BTreeMap::new();
            let whole = || vec![Step { rows: body.as_bytes().split(|byte| *byte == b'\n').collect(), ..Step::default() }];
            for step in steps(body.as_bytes(), apart).unwrap_or_else(whole) {
                for id in text(&step.deletes) {
                    table.remove(id);
                }
                let mut seen = HashSet::new();
                for row in &step.rows {
                    prop_assert!(seen.insert(id(row)) || !apart);
                    let [id, row] = [id(row), row].map(|text| String::from_utf8(text.to_vec()).unwrap());
                    table.insert(id, row);
                }
            }
            prop_assert_eq!(table, expected);
        }
    }
}
