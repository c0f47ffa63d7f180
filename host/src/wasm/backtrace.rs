//! A guest's stack after a fault, in text: functions by their names, and lines of the source where the module has them.

use std::fmt::Write;
use wasmtime::{FrameInfo, FrameSymbol, WasmBacktrace};

/// Frames that a fault's message names.
const FRAMES: usize = 8;

/// Bytes of a backtrace: brokers bound a record's size.
const LONGEST: usize = 4096;

/// Where Rust's own library says that its source is.
const RUST_LIBRARY: &str = "/rustc/";

/// What the names of functions in a language's own library begin with, of which a panic passes many: the author's come after.
const LIBRARIES: [&str; 8] =
    ["std::", "core::", "alloc::", "__rustc::", "__rust_", "rust_panic", "rust_begin_unwind", "~lib/"];

/// Appends the frames that have names, a recursion's only once. Those of Rust's own library, which are the first ones of
/// every panic, are left out where it is known which they are. Most modules are stripped: then there are none.
pub(super) fn describe(backtrace: &WasmBacktrace, message: &mut String) {
    let own = |frame: &String| !frame.contains(RUST_LIBRARY);
    let mut frames: Vec<String> = backtrace.frames().iter().flat_map(named).filter(own).collect();
    frames.dedup();
    for (index, frame) in authors(&frames).iter().take(FRAMES).enumerate() {
        let separator = if index == 0 { "; in" } else { " <" };
        let _ = write!(message, "{separator} {frame}");
    }
}

/// The frames from the first on that is of no library; all where there is none such.
fn authors(frames: &[String]) -> &[String] {
    let library =
        |frame: &str| LIBRARIES.iter().any(|library| frame.trim_start_matches(['<', '&']).starts_with(library));
    let first = frames.iter().position(|frame| !library(frame)).unwrap_or(0);
    &frames[first..]
}

/// All frames, innermost first, a line each: the function, and where in its source or module; of a recursion one, and how
/// many more. None where no frame has a name.
pub(super) fn all(backtrace: &WasmBacktrace) -> Option<String> {
    let frames = backtrace.frames();
    frames.iter().find(|frame| frame.func_name().is_some())?;
    let lines = |frame: &FrameInfo| match lines(frame) {
        lines if !lines.is_empty() => lines,
        _ => vec![function(frame)],
    };
    let mut text = String::new();
    let (mut last, mut more) = (String::new(), 0);
    for line in frames.iter().flat_map(lines).chain([String::new()]) {
        if line == last {
            more += 1;
            continue;
        }
        let times = if more > 0 { format!(" ({more} more)") } else { String::new() };
        if text.len() + last.len() + times.len() >= LONGEST {
            break;
        }
        let _ = writeln!(text, "{last}{times}");
        (last, more) = (line, 0);
    }
    Some(text.trim().to_owned())
}

/// A frame's functions, innermost first, where they have names: more than one where the compiler has put them into another.
fn named(frame: &FrameInfo) -> Vec<String> {
    match lines(frame) {
        lines if !lines.is_empty() => lines,
        _ => frame.func_name().map(demangled).into_iter().collect(),
    }
}

/// What the module's debug information says of a frame: each function with its file, line and column. Nothing where the function has
/// no name: compilers write both, and a tool that drops the names has also moved functions, and left the debug information as it was
/// (wasm-merge, by which Redpanda's transforms in JavaScript are made), so what it says is of other functions.
fn lines(frame: &FrameInfo) -> Vec<String> {
    if frame.func_name().is_none() {
        return Vec::new();
    }
    let line = |symbol: &FrameSymbol| {
        let name = symbol.name().or_else(|| frame.func_name()).map_or_else(|| "?".to_owned(), demangled);
        let (file, line) = (symbol.file()?, symbol.line()?);
        Some(match symbol.column() {
            Some(column) if column > 0 => format!("{name} ({file}:{line}:{column})"),
            _ => format!("{name} ({file}:{line})"),
        })
    };
    frame.symbols().iter().filter_map(line).collect()
}

/// A frame without lines: its function, and where that is in the module.
fn function(frame: &FrameInfo) -> String {
    let function = frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), demangled);
    frame.module_offset().map_or(function.clone(), |offset| format!("{function} at {offset:#x}"))
}

/// A name as its source has it: of Rust, of C++, or as it is.
fn demangled(name: &str) -> String {
    if let Ok(name) = rustc_demangle::try_demangle(name) {
        return format!("{name:#}");
    }
    let cpp = name.starts_with("_Z").then(|| cpp_demangle::Symbol::new(name).ok()).flatten();
    cpp.and_then(|name| name.demangle().ok()).unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_frame_is_the_authors() {
        let of = |frames: &[&str]| -> Vec<String> {
            let frames: Vec<String> = frames.iter().map(|frame| (*frame).to_owned()).collect();
            authors(&frames).to_vec()
        };
        let panic =
            ["__rustc::__rust_abort", "std::process::abort", "<std::panicking::Payload as core::fmt::Display>::fmt"];
        assert_eq!(
            of(&[&panic[..], &["loud::deep", "core::ops::call", "transform"]].concat()),
            ["loud::deep", "core::ops::call", "transform"]
        );
        assert_eq!(of(&["~lib/edgemill_abort/edgemill_abort", "loud/Loud#transform"]), ["loud/Loud#transform"]);
        assert_eq!(of(&["standard", "std::process::abort"]), ["standard", "std::process::abort"]);
        assert_eq!(of(&panic), panic);
    }
}
