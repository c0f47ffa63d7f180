//! Tells from a file's first bytes whether it is WebAssembly, and what else it may be.

use super::Door;
use crate::modules::LoadError;

/// The door that a file is for.
///
/// # Errors
/// It is no WebAssembly: says what it seems to be.
pub(super) fn door(bytes: &[u8]) -> Result<Door, LoadError> {
    match bytes.first_chunk() {
        Some(b"\0asm\x01\0\0\0") => Ok(Door::Core),
        Some(b"\0asm\x0d\0\x01\0") => Ok(Door::Component),
        _ => Err(LoadError::new("compile", seems(bytes))),
    }
}

fn seems(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "the file is empty".to_owned();
    }
    if b"\0asm".starts_with(&bytes[..bytes.len().min(4)]) && bytes.len() < 8 {
        return format!("the file is cut short: it has {} bytes", bytes.len());
    }
    if bytes.starts_with(b"\0asm") {
        let version = &bytes[4..8];
        return format!("a version of WebAssembly that this host does not know: {}", hexadecimal(version));
    }
    if is_text_format(bytes) {
        return "this is WebAssembly's text format: make a module of it with wasm-tools parse".to_owned();
    }
    let kinds: [(&[u8], &str); 7] = [
        (b"\x7fELF", "a native library or program: build for wasm32-unknown-unknown or wasm32-wasip2"),
        (b"MZ", "a Windows program: build for wasm32-unknown-unknown or wasm32-wasip2"),
        (b"\x1f\x8b", "a gzip file: unpack it"),
        (b"PK", "a zip file: unpack it"),
        (b"\x28\xb5\x2f\xfd", "a zstd file: unpack it"),
        (b"#!", "a script: only modules are loaded"),
        (b"<", "an HTML or XML page: was it downloaded from where the module is not?"),
    ];
    match kinds.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        Some((_, kind)) => format!("this is no WebAssembly but {kind}"),
        None => format!("this is no WebAssembly: it begins with {}", hexadecimal(&bytes[..bytes.len().min(8)])),
    }
}

/// Whether a text begins with `(module` or `(component`, after spaces and comments.
fn is_text_format(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]);
    let code = text.lines().map(str::trim_start).find(|line| !line.is_empty() && !line.starts_with(";;"));
    code.is_some_and(|line| line.starts_with("(module") || line.starts_with("(component"))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_module_is_called_what_it_is() {
        let table: [(&[u8], &str); 9] = [
            (b"", "the file is empty"),
            (b"\0as", "the file is cut short: it has 3 bytes"),
            (b"\0asm\x01\0", "the file is cut short: it has 6 bytes"),
            (b"\0asm\x02\0\0\0", "a version of WebAssembly that this host does not know: 02 00 00 00"),
            (
                b";; a comment\n (module)",
                "this is WebAssembly's text format: make a module of it with wasm-tools parse",
            ),
            (b"(component", "this is WebAssembly's text format: make a module of it with wasm-tools parse"),
            (b"\x1f\x8b\x08", "this is no WebAssembly but a gzip file: unpack it"),
            (
                b"\x7fELF\x02",
                "this is no WebAssembly but a native library or program: build for wasm32-unknown-unknown or wasm32-wasip2",
            ),
            (b"{\"a\":1}", "this is no WebAssembly: it begins with 7b 22 61 22 3a 31 7d"),
        ];
        for (bytes, message) in table {
            let error = door(bytes).unwrap_err();
            assert_eq!((error.step, &*error.message), ("compile", message));
        }
    }
}
