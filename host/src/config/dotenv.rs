//! Reads `.env`: a variable a line, in the syntax of docker's. Knows no file, and no environment.

use super::report::{Problem, Report, Severity};
use super::secret::is_name;
use std::collections::BTreeMap;
use std::ops::Range;

/// Variables by name. Values may be secrets: never logged.
pub(super) type Variables = BTreeMap<String, String>;

/// Reads a file's text; `name` is for messages, in which no value stands. Of two lines of one name the last counts.
///
/// # Errors
/// Every line that is wrong.
pub(super) fn parse(name: &str, text: &str) -> Result<Variables, Report> {
    let mut variables = Variables::new();
    let (mut problems, mut secrets) = (Vec::new(), Vec::new());
    let mut start = 0;
    for whole in text.split_inclusive('\n') {
        let line = Line { text: whole.trim_end_matches(['\n', '\r']), start };
        start += whole.len();
        match line.read() {
            Ok(None) => {}
            Ok(Some((name, value))) => {
                secrets.extend(line.value());
                variables.insert(name, value);
            }
            Err(wrong) => {
                secrets.extend(line.value());
                problems.push(wrong.problem());
            }
        }
    }
    if problems.is_empty() { Ok(variables) } else { Err(Report::new(name, text, &secrets, problems)) }
}

struct Line<'a> {
    text: &'a str,
    /// Where it begins in the file.
    start: usize,
}

struct Wrong {
    at: Range<usize>,
    message: &'static str,
    help: &'static str,
}

impl Wrong {
    fn problem(self) -> Problem {
        let Self { at, message, help } = self;
        let (message, help) = (message.to_owned(), vec![help.to_owned()]);
        Problem { severity: Severity::Error, path: String::new(), span: Some(at), message, help }
    }
}

impl<'a> Line<'a> {
    /// The name, and what stands behind the `=`; `None` where there is no `=`, or no name before it.
    fn parts(&self) -> Option<(&'a str, &'a str)> {
        let (before, after) = self.text.split_once('=')?;
        let before = before.trim_start_matches('\u{feff}').trim();
        let name = before.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t'])).unwrap_or(before).trim();
        is_name(name).then_some((name, after))
    }

    /// Where what may be a secret is: all of a line that is none, because it may be a part of one.
    fn value(&self) -> Option<Range<usize>> {
        let end = self.start + self.text.len();
        let shown = self.parts().map_or(0, |(_, after)| self.text.len() - after.len());
        Some(self.start + shown..end)
    }

    fn wrong(&self, at: &str, message: &'static str, help: &'static str) -> Wrong {
        // `at` is a part of the line
        let start = self.start + (at.as_ptr() as usize - self.text.as_ptr() as usize);
        Wrong { at: start..start + at.len(), message, help }
    }

    fn read(&self) -> Result<Option<(String, String)>, Wrong> {
        let text = self.text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() || text.starts_with('#') {
            return Ok(None);
        }
        let Some((name, after)) = self.parts() else {
            let help = "write `NAME=value`; a name has letters, digits and `_`, a comment begins with `#`, and a value is one line";
            return Err(self.wrong(text, "this is no variable", help));
        };
        let value = match after.trim().chars().next() {
            Some(quote @ ('"' | '\'')) => self.quoted(after.trim(), quote)?,
            _ => {
                let comment = after.match_indices('#').find(|(at, _)| after[..*at].ends_with([' ', '\t']));
                let value = comment.map_or(after, |(at, _)| &after[..at]).trim();
                self.no_variables(value)?;
                value.to_owned()
            }
        };
        Ok(Some((name.to_owned(), value)))
    }

    /// What stands between quotes: as it is in single ones, with `\n`, `\r`, `\t`, `\"`, `\\` and `\$` in double ones.
    fn quoted(&self, text: &str, quote: char) -> Result<String, Wrong> {
        let mut value = String::new();
        let inside = &text[1..];
        let mut chars = inside.char_indices();
        let end = loop {
            match chars.next() {
                Some((at, c)) if c == quote => break at,
                Some((_, '\\')) if quote == '"' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 'r')) => value.push('\r'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, c @ ('"' | '\\' | '$'))) => value.push(c),
                    Some((_, c)) => value.extend(['\\', c]),
                    None => {}
                },
                Some((at, '$')) if quote == '"' && variable(&inside[at..]).is_some() => {
                    self.no_variables(&inside[at..])?;
                }
                Some((_, c)) => value.push(c),
                None => {
                    let help = "close it on the same line; what has several lines goes into a file of its own, which the \
                                configuration names as `{ file = \"…\" }`";
                    return Err(self.wrong(text, "a quote that is not closed", help));
                }
            }
        };
        let behind = inside[end + 1..].trim();
        if !behind.is_empty() && !behind.starts_with('#') {
            let help = "leave it out, or write a comment, which begins with `#`";
            return Err(self.wrong(behind, "something stands behind the closing quote", help));
        }
        Ok(value)
    }

    /// Others put variables into values; what was written for them would be taken for something else here.
    fn no_variables(&self, value: &str) -> Result<(), Wrong> {
        let found = value.match_indices('$').find_map(|(at, _)| variable(&value[at..]));
        found.map_or(Ok(()), |variable| {
            let help = "write the whole value; where a plain `$` is meant, put the value into single quotes";
            Err(self.wrong(variable, "a variable in the value of a variable", help))
        })
    }
}

/// What at the beginning of a text docker, or a shell, may take for a variable: `$NAME`, `${NAME}`, `$1`, `$(…)`, `$$`.
fn variable(text: &str) -> Option<&str> {
    let behind = text.strip_prefix('$')?;
    let length = match behind.chars().next()? {
        '{' => behind.find('}').map_or(behind.len(), |end| end + 1),
        '(' => behind.find(')').map_or(behind.len(), |end| end + 1),
        '$' => 1,
        _ => behind.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(behind.len()),
    };
    (length > 0).then(|| &text[..=length])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(line: &str) -> Option<String> {
        parse(".env", line).ok()?.remove("A")
    }

    #[test]
    fn values_are_what_docker_takes_them_for() {
        for (line, wanted) in [
            ("A=b", "b"),
            (" export A = b c  # a comment", "b c"),
            ("A=b#c", "b#c"),
            ("A=", ""),
            ("A= # a comment", ""),
            ("A=b=c==", "b=c=="),
            ("A=5$ and 6$, $-", "5$ and 6$, $-"),
            (r#"A="5$""#, "5$"),
            (r"A='pa$$word$1$B'", "pa$$word$1$B"),
            ("A='${b} # \"c\" \\n'  # a comment", "${b} # \"c\" \\n"),
            (r#"A="b # \"c\"\t\\ \$ C:\d""#, "b # \"c\"\t\\ $ C:\\d"),
            ("A=\"\"", ""),
            ("\u{feff}A=b\r\n", "b"),
            ("A=b\nA=c", "c"),
            ("# A=b\n\nA=c", "c"),
        ] {
            assert_eq!(value(line).as_deref(), Some(wanted), "{line}");
        }
        assert_eq!(parse(".env", "\n # nothing\n").unwrap(), Variables::new());
    }

    #[test]
    fn each_wrong_line_is_told_with_its_place_and_no_value() {
        for (line, variable) in [
            ("A=swordfish$B-c", "$B"),
            ("A=swordfish$b", "$b"),
            ("A=swordfish${B:-c}d", "${B:-c}"),
            ("A=\"sword\\$fish$(swordfish)\"", "$(swordfish)"),
            ("A=swordfish$$", "$$"),
            ("A=swordfish$1", "$1"),
        ] {
            let report = parse(".env", line).unwrap_err();
            let span = report.problems()[0].span.clone().unwrap();
            assert_eq!((report.problems().len(), &line[span]), (1, variable), "{line}");
            assert!(!report.to_string().contains("swordfish"));
        }
        let text = "GOOD=swordfish\nKAFKA: swordfish\nA='swordfish\nB=\"swordfish\" swordfish\nC=x${swordfish}\n\
                    D=\"${swordfish}\"\n9=swordfish\nswordfish+ab==\nA B=swordfish\n";
        let report = parse("here/.env", text).unwrap_err();
        let lines: Vec<_> = report.problems().iter().map(|problem| report.place(problem).unwrap().0).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8, 9]);
        let shown = report.to_string();
        assert!(!shown.contains("swordfish") && shown.contains("here/.env:3:3"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_value_in_single_quotes_is_read_as_it_stands(text in "[^'\n\r]{0,40}") {
            prop_assert_eq!(value(&format!("A='{text}'")), Some(text));
        }

        #[test]
        fn no_text_makes_reading_panic(text in "[A ='\"#\\\\$\\{\\}\n\ré]{0,60}") {
            let _ = parse(".env", &text).map_err(|report| report.render(true));
        }
    }
}
