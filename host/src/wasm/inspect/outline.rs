//! What is left of a module without its code and data: enough to see whether it can be linked, and compiled in no time.

use wasmparser::BinaryReader;

/// The sections of a plain module, and of a component, that matter here.
const CUSTOM: u8 = 0;
const START: u8 = 8;
const CODE: u8 = 10;
const DATA: u8 = 11;
const DATA_COUNT: u8 = 12;
const CORE_MODULE: u8 = 1;
const COMPONENT: u8 = 4;

/// How deeply components may be nested: toolchains nest them twice.
const DEPTH: usize = 100;

/// A function that traps: no locals, `unreachable`, `end`.
const BODY: [u8; 4] = [3, 0, 0x00, 0x0b];

/// The module or component with a body that traps for each function, and neither data nor a start function.
///
/// # Errors
/// The bytes are cut short, which those of a valid module are not; or components are nested without end.
pub(super) fn outline(bytes: &[u8]) -> Result<Vec<u8>, String> {
    outline_within(bytes, DEPTH)
}

fn outline_within(bytes: &[u8], depth: usize) -> Result<Vec<u8>, String> {
    // what is not gone into would run
    if depth == 0 {
        return Err(format!("components are nested more than {DEPTH} deep"));
    }
    let cut = |error: wasmparser::BinaryReaderError| error.to_string();
    let mut reader = BinaryReader::new(bytes, 0);
    let head = reader.read_bytes(8).map_err(cut)?;
    let is_component = head[6] == 1;
    let mut out = head.to_vec();
    while !reader.eof() {
        let (id, content) = (reader.read_u8().map_err(cut)?, reader.read_reader().map_err(cut)?);
        let bytes = content.clone().read_bytes(content.bytes_remaining()).map_err(cut)?;
        match (is_component, id) {
            (_, CUSTOM) | (false, START | DATA | DATA_COUNT) => {}
            (false, CODE) => section(&mut out, id, &traps(content).map_err(cut)?),
            (true, CORE_MODULE | COMPONENT) => section(&mut out, id, &outline_within(bytes, depth - 1)?),
            _ => section(&mut out, id, bytes),
        }
    }
    Ok(out)
}

/// A section of as many functions that trap as this one has.
fn traps(mut code: BinaryReader<'_>) -> wasmparser::Result<Vec<u8>> {
    let functions = code.read_var_u32()?;
    let mut out = Vec::with_capacity(8 + functions as usize * BODY.len());
    push_number(&mut out, functions);
    out.extend((0..functions).flat_map(|_| BODY));
    Ok(out)
}

fn section(out: &mut Vec<u8>, id: u8, content: &[u8]) {
    out.push(id);
    // what was read has its length in 32 bits, and this is not longer
    push_number(out, content.len() as u32);
    out.extend_from_slice(content);
}

/// LEB128.
fn push_number(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
