//! What is wrong with a configuration file, for a person: every problem with its line, a caret and the remedy.
//! Never shows the value of a secret, wherever the problem is.

use crate::harmless::{is_hostile, one_line};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::ops::Range;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// A module's file is not there: an error for `check`, a warning for `run`, which may have kept a copy.
    Absent,
    /// It can be used, and probably does not do what was meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The key, as `pipelines.flights.source.topics`; may be empty.
    pub path: String,
    /// Where it is in the file, in bytes.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What to do; none where the message says it.
    pub help: Vec<String>,
}

/// Everything that is wrong with one file.
#[derive(Clone)]
pub struct Report {
    file: String,
    /// The file's text without its secrets.
    text: String,
    problems: Vec<Problem>,
    /// Where keys are, for what is found wrong later.
    places: BTreeMap<String, Range<usize>>,
}

impl Report {
    /// Makes a report over a file's text, in which the spans of `secrets` are blotted out.
    pub fn new(file: &str, text: &str, secrets: &[Range<usize>], mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.span.as_ref().map_or(usize::MAX, |span| span.start));
        Self { file: file.to_owned(), text: blot(text, secrets), problems, places: BTreeMap::new() }
    }

    /// A report of one problem that has no place in the file.
    pub fn of_file(file: &str, message: String, help: Vec<String>) -> Self {
        let problem = Problem { severity: Severity::Error, path: String::new(), span: None, message, help };
        Self { file: file.to_owned(), text: String::new(), problems: vec![problem], places: BTreeMap::new() }
    }

    pub(super) fn with_places(self, places: BTreeMap<String, Range<usize>>) -> Self {
        Self { places, ..self }
    }

    /// Adds what was found wrong with a key of the file, such as `pipelines.flights.chain[0].module`.
    pub fn add(&mut self, path: &str, message: String) {
        let span = self.places.get(path).cloned();
        let start = |problem: &Problem| problem.span.as_ref().map_or(usize::MAX, |span| span.start);
        self.problems.push(Problem {
            severity: Severity::Error,
            path: path.to_owned(),
            span,
            message,
            help: Vec::new(),
        });
        self.problems.sort_by_key(start);
    }

    /// The problems, in the file's order.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether the configuration cannot be used.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Takes modules that are not there for errors.
    pub fn absent_as_errors(mut self) -> Self {
        for problem in &mut self.problems {
            if problem.severity == Severity::Absent {
                problem.severity = Severity::Error;
            }
        }
        self
    }

    /// The line and column of a problem, both from 1; a column counts characters.
    pub fn place(&self, problem: &Problem) -> Option<(usize, usize)> {
        let start = problem.span.as_ref()?.start.min(self.text.len());
        let before = self.text.get(..start)?;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Some((before.matches('\n').count() + 1, letters(&before[line_start..]).count() + 1))
    }

    /// The report as text, with terminal colours or without.
    pub fn render(&self, colours: bool) -> String {
        let mut out = String::new();
        let style = if colours { &COLOURS } else { &PLAIN };
        for problem in &self.problems {
            // writing to a string cannot fail
            let _ = self.render_problem(&mut out, problem, style);
        }
        let _ = writeln!(out, "{}", self.summary());
        out
    }

    /// How many problems there are, in a line.
    pub fn summary(&self) -> String {
        let errors = self.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
        let warnings = self.problems.len() - errors;
        let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        match (errors, warnings) {
            (0, 0) => format!("{}: no problems", self.file),
            (_, 0) => format!("{}: {}", self.file, count(errors, "problem")),
            (0, _) => format!("{}: {}", self.file, count(warnings, "warning")),
            _ => format!("{}: {}, {}", self.file, count(errors, "problem"), count(warnings, "warning")),
        }
    }

    fn render_problem(&self, out: &mut String, problem: &Problem, style: &Style) -> fmt::Result {
        let (word, colour) = match problem.severity {
            Severity::Error => ("error", style.error),
            Severity::Absent | Severity::Warning => ("warning", style.warning),
        };
        let Style { strong, faint, end, .. } = style;
        writeln!(out, "{colour}{word}{end}{strong}: {}{end}", one_line(&problem.message))?;
        let margin = match (self.place(problem), &problem.span) {
            (Some((line, column)), Some(span)) => {
                let excerpt = Excerpt::new(&self.text, span);
                let margin = " ".repeat(line.to_string().len());
                let path = one_line(&problem.path);
                let key = if path.is_empty() { String::new() } else { format!("  ({path})") };
                writeln!(out, "{margin}{faint}-->{end} {}:{line}:{column}{key}", self.file)?;
                writeln!(out, "{margin} {faint}|{end}")?;
                writeln!(out, "{}", format!("{faint}{line} |{end} {}", excerpt.line).trim_end())?;
                let indent = " ".repeat(excerpt.indent);
                writeln!(out, "{margin} {faint}|{end} {indent}{colour}{}{end}", "^".repeat(excerpt.width))?;
                margin
            }
            _ => {
                writeln!(out, " {faint}-->{end} {}", self.file)?;
                " ".to_owned()
            }
        };
        for help in &problem.help {
            for (index, line) in help.lines().enumerate() {
                let lead = if index == 0 { "= help:" } else { "       " };
                writeln!(out, "{}", format!("{margin} {faint}{lead}{end} {}", one_line(line)).trim_end())?;
            }
        }
        writeln!(out)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

struct Style {
    error: &'static str,
    warning: &'static str,
    strong: &'static str,
    faint: &'static str,
    end: &'static str,
}

const PLAIN: Style = Style { error: "", warning: "", strong: "", faint: "", end: "" };
const COLOURS: Style =
    Style { error: "\x1b[1;31m", warning: "\x1b[1;33m", strong: "\x1b[1m", faint: "\x1b[1;34m", end: "\x1b[0m" };

/// As much of a line as fits, with the caret's place in it.
struct Excerpt {
    line: String,
    indent: usize,
    width: usize,
}

impl Excerpt {
    const WIDEST: usize = 110;

    fn new(text: &str, span: &Range<usize>) -> Self {
        let start = span.start.min(text.len());
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let line: Vec<char> =
            letters(&text[line_start..line_end]).map(|c| if is_hostile(c) { ' ' } else { c }).collect();
        let indent = letters(&text[line_start..start]).count();
        let end = span.end.clamp(start, line_end);
        let width = letters(&text[start..end]).count().max(1);
        if line.len() <= Self::WIDEST {
            let cells =
                |from: usize, to: usize| line[from..to.min(line.len())].iter().map(|c| cells(*c)).sum::<usize>();
            let (indent, width) = (cells(0, indent), cells(indent, indent + width).max(1));
            return Self { line: line.iter().collect::<String>().trim_end().to_owned(), indent, width };
        }
        let from = indent.saturating_sub(Self::WIDEST / 3).min(line.len());
        let to = (from + Self::WIDEST).min(line.len());
        let (before, after) = (if from > 0 { "…" } else { "" }, if to < line.len() { "…" } else { "" });
        let shown: String = line[from..to].iter().collect();
        let indent = indent - from + usize::from(from > 0);
        Self {
            line: format!("{before}{shown}{after}"),
            indent,
            width: width.min(Self::WIDEST + 1 - indent.min(Self::WIDEST)),
        }
    }
}

/// How many places a letter takes in a terminal, about: those of East Asian scripts and pictures take two, marks on others none.
fn cells(letter: char) -> usize {
    match u32::from(letter) {
        0x300..=0x36f | 0x200b..=0x200d | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f680..=0x1f6ff
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// What of a file's text has a column: neither the mark that a file may begin with, nor what [`blot`] leaves of long letters.
fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !matches!(c, '\u{feff}' | '\0'))
}

/// Writes `*` over the letters of spans, byte for byte, so that every other span stays where it is: a letter of several bytes is a `*` and zeros.
fn blot(text: &str, spans: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for span in spans {
        for byte in bytes.get_mut(span.clone()).into_iter().flatten() {
            let goes_on = *byte & 0xc0 == 0x80;
            match byte {
                b'\n' => {}
                _ => *byte = if goes_on { 0 } else { b'*' },
            }
        }
    }
    // spans are whole TOML values, so that characters stay whole; where one is not, nothing is shown
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is underlined of a text, and its column.
    fn underlined(text: &str, secrets: &[&str], what: &str) -> (usize, String) {
        let span = |part: &str| {
            let start = text.find(part).unwrap();
            start..start + part.len()
        };
        let secrets: Vec<_> = secrets.iter().map(|secret| span(secret)).collect();
        let problem = Problem {
            severity: Severity::Error,
            path: String::new(),
            span: Some(span(what)),
            message: "no".to_owned(),
            help: Vec::new(),
        };
        let report = Report::new("f", text, &secrets, vec![problem]);
        let column = report.place(&report.problems[0]).unwrap().1;
        let shown = report.to_string();
        let [line, carets] = [3, 4].map(|at| shown.lines().nth(at).unwrap().split_once("| ").unwrap().1);
        let (from, to) = (carets.find('^').unwrap(), carets.len());
        let cells = line.chars().scan(0, |at, c| {
            *at += cells(c);
            Some((*at, c))
        });
        (column, cells.filter(|(at, _)| (from + 1..=to).contains(at)).map(|(_, c)| c).collect())
    }

    #[test]
    fn what_is_wrong_is_underlined_whatever_stands_before_it() {
        let found = |column, what: &str| (column, what.to_owned());
        assert_eq!(underlined("a = 1, b = x5", &[], "x5"), found(12, "x5"));
        assert_eq!(underlined("\u{feff}a = x5", &[], "x5"), found(5, "x5"));
        assert_eq!(underlined("\ta = \"é\", b = x5", &[], "x5"), found(15, "x5"));
        assert_eq!(underlined("a = \"日本\", b = x5", &[], "x5"), found(15, "x5"));
        assert_eq!(underlined("a = \"e\u{301}\", b = x5", &[], "x5"), found(15, "x5"));
        assert_eq!(underlined("a = \"pässwörd日\", b = x5", &["\"pässwörd日\""], "x5"), found(22, "x5"));
        assert_eq!(underlined("a = \"pässwörd\" x", &["\"pässwörd\""], "\"pässwörd\""), found(5, "**********"));
    }
}
