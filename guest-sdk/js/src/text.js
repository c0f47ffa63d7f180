// UTF-8, there and back.

import { Reject } from "./reject.js";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lossy = new TextDecoder("utf-8", { ignoreBOM: true });
export const encoder = new TextEncoder();

/** Bytes as text; refuses the record where they are none. */
export function textOf(bytes, what) {
  try {
    return strict.decode(bytes);
  } catch {
    throw new Reject("not-utf8", `the ${what} is not utf-8`);
  }
}

/** Bytes as text, with U+FFFD for what is none. */
export function lossyText(bytes) {
  return lossy.decode(bytes);
}

/** The text of bytes that are all ASCII, so that text and bytes have the same places; else null. */
export function asciiText(bytes) {
  try {
    const text = strict.decode(bytes);
    return text.length === bytes.length ? text : null;
  } catch {
    return null;
  }
}
