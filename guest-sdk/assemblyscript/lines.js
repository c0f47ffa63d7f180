#!/usr/bin/env node
// lines.js MODULE... - puts the lines of the source into modules, so that a host tells where one trapped. The compiler writes them
// beside a module, as a source map (https://tc39.es/ecma426/); hosts of Wasm look for DWARF inside of it (https://dwarfstd.org/doc/DWARF4.pdf,
// whose addresses are counted from the code section's contents: https://yurydelendik.github.io/webassembly-dwarf/).
import { readFileSync, writeFileSync } from "node:fs";

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const CODE = 10;

// DWARF's names for numbers, as its chapter 7 has them
const TAG_COMPILE_UNIT = 0x11, CHILDREN_NO = 0;
const AT_NAME = 0x03, AT_STMT_LIST = 0x10, AT_LOW_PC = 0x11, AT_HIGH_PC = 0x12, AT_PRODUCER = 0x25;
const FORM_ADDR = 0x01, FORM_DATA4 = 0x06, FORM_STRING = 0x08, FORM_SEC_OFFSET = 0x17;
const LNS_COPY = 1, LNS_ADVANCE_PC = 2, LNS_ADVANCE_LINE = 3, LNS_SET_FILE = 4, LNS_SET_COLUMN = 5;
const LNE_END_SEQUENCE = 1, LNE_SET_ADDRESS = 2;

/** A module with the lines that its source map has; those that it had before are replaced. */
function withLines(module, map) {
  const { kept, code } = sections(module);
  const isOfLibrary = ({ source }) => map.sources[source].startsWith("~lib");
  const all = mappings(map.mappings);
  let next = 0;
  const steps = functions(module, code).flatMap(({ start, end }) => {
    while (next < all.length && all[next].offset < start) next++;
    const first = next;
    while (next < all.length && all[next].offset < end) next++;
    return authors(all.slice(first, next), isOfLibrary);
  });
  const size = code.end - code.start;
  return Buffer.concat([
    ...kept,
    custom(".debug_abbrev", abbreviations()),
    custom(".debug_info", unit(map.sources.find((source) => !source.startsWith("~lib")) ?? "", size)),
    custom(".debug_line", program(map.sources, steps, code.start, size)),
  ]);
}

/** The module's parts that stay, and where its code is. */
function sections(module) {
  if (module.readUInt32BE(0) !== 0x0061736d) throw new Error("it is no WebAssembly");
  const kept = [module.subarray(0, 8)];
  let code, at = 8;
  while (at < module.length) {
    const start = at, id = module[at++];
    const [size, body] = uleb(module, at);
    at = body + size;
    if (at > module.length) throw new Error("it is cut short");
    if (id === CODE) code = { start: body, end: at };
    if (id === 0) {
      const [length, name] = uleb(module, body);
      if (module.toString("latin1", name, name + length).startsWith(".debug_")) continue;
    }
    kept.push(module.subarray(start, at));
  }
  if (!code) throw new Error("it has no code");
  return { kept, code };
}

/** Where each function's code is. */
function functions(module, code) {
  let [count, at] = uleb(module, code.start);
  const all = [];
  while (count-- > 0) {
    const [size, start] = uleb(module, at);
    at = start + size;
    all.push({ start, end: at });
  }
  return all;
}

/**
 * The steps of a function with the author's lines only, where it has any: an index out of range is found in the library's code, which
 * the compiler puts into the author's function, and neither the source map nor a stack tells of the line that it stands in for. It
 * is the one before, or at a function's beginning the one behind.
 */
function authors(steps, isOfLibrary) {
  let own = steps.find((step) => !isOfLibrary(step));
  if (!own) return steps;
  return steps.map((step) => {
    if (!isOfLibrary(step)) own = step;
    return { ...own, offset: step.offset };
  });
}

/** What a source map says of a module, whose bytes are the columns of its only line. */
function mappings(text) {
  const steps = [];
  let offset = 0, source = 0, line = 0, column = 0;
  for (const segment of text.split(",").filter(Boolean)) {
    const fields = vlq(segment);
    offset += fields[0];
    if (fields.length < 4) continue;
    source += fields[1];
    line += fields[2];
    column += fields[3];
    steps.push({ offset, source, line: line + 1, column: column + 1 });
  }
  return steps.sort((one, other) => one.offset - other.offset);
}

function vlq(segment) {
  const numbers = [];
  let value = 0, shift = 0;
  for (const letter of segment) {
    const digit = BASE64.indexOf(letter);
    if (digit < 0) throw new Error(`its source map has the character ${letter}`);
    value += (digit & 31) * 2 ** shift;
    shift += 5;
    if (digit & 32) continue;
    numbers.push(value % 2 ? -Math.floor(value / 2) : value / 2);
    value = shift = 0;
  }
  return numbers;
}

function abbreviations() {
  const attributes = [
    [AT_PRODUCER, FORM_STRING], [AT_NAME, FORM_STRING], [AT_STMT_LIST, FORM_SEC_OFFSET], [AT_LOW_PC, FORM_ADDR],
    [AT_HIGH_PC, FORM_DATA4], [0, 0],
  ];
  return [1, TAG_COMPILE_UNIT, CHILDREN_NO, ...attributes.flat(), 0];
}

function unit(name, size) {
  const abbreviations = 0, lines = 0, low = 0;
  const body = [...u16(4), ...u32(abbreviations), 4, 1, ...text("AssemblyScript"), ...text(name), ...u32(lines), ...u32(low), ...u32(size)];
  return [...u32(body.length), ...body];
}

function program(sources, steps, start, size) {
  const operands = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1];
  const [lineBase, lineRange] = [-5 & 0xff, 14];
  const files = sources.flatMap((source) => [...text(source), 0, 0, 0]);
  const header = [1, 1, 1, lineBase, lineRange, operands.length + 1, ...operands, 0, ...files, 0];
  const out = [];
  let [address, file, line] = [0, 1, 1];
  out.push(0, 5, LNE_SET_ADDRESS, ...u32(0));
  for (const step of steps) {
    out.push(LNS_ADVANCE_PC, ...unsigned(step.offset - start - address));
    if (step.source + 1 !== file) out.push(LNS_SET_FILE, ...unsigned(step.source + 1));
    if (step.line !== line) out.push(LNS_ADVANCE_LINE, ...signed(step.line - line));
    out.push(LNS_SET_COLUMN, ...unsigned(step.column), LNS_COPY);
    [address, file, line] = [step.offset - start, step.source + 1, step.line];
  }
  out.push(LNS_ADVANCE_PC, ...unsigned(size - address), 0, 1, LNE_END_SEQUENCE);
  const rest = [...u32(header.length), ...header];
  const length = 2 + rest.length + out.length;
  return Buffer.concat([Buffer.from([...u32(length), ...u16(4), ...rest]), Buffer.from(out)]);
}

function custom(name, body) {
  const inside = Buffer.concat([Buffer.from([...unsigned(name.length)]), Buffer.from(name), Buffer.from(body)]);
  return Buffer.concat([Buffer.from([0, ...unsigned(inside.length)]), inside]);
}

const text = (value) => [...Buffer.from(value), 0];
const u16 = (value) => [value & 0xff, value >> 8 & 0xff];
const u32 = (value) => [...u16(value), ...u16(value >>> 16)];

function unsigned(value) {
  const bytes = [];
  for (; value > 0x7f; value >>>= 7) bytes.push(value & 0x7f | 0x80);
  return [...bytes, value];
}

function signed(value) {
  const bytes = [];
  for (; value < -64 || value > 63; value >>= 7) bytes.push(value & 0x7f | 0x80);
  return [...bytes, value & 0x7f];
}

/** A number in LEB128, and where the next byte is. */
function uleb(bytes, at) {
  let value = 0, shift = 0, byte;
  do {
    if (at >= bytes.length) throw new Error("it is cut short");
    byte = bytes[at++];
    value += (byte & 0x7f) * 2 ** shift;
    shift += 7;
  } while (byte & 0x80);
  return [value, at];
}

for (const file of process.argv.slice(2)) {
  try {
    writeFileSync(file, withLines(readFileSync(file), JSON.parse(readFileSync(`${file}.map`, "utf8"))));
  } catch (error) {
    console.error(`${file}: ${error.message}`);
    process.exitCode = 1;
  }
}
