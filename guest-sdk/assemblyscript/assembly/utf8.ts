/** UTF-8 as text. The standard library's decoder is not made for bytes that are none. */

const REPLACEMENT: i32 = 0xfffd;

/** How many bytes the last `decodeOne` took. */
let width: i32 = 0;

function continues(at: usize, end: usize): bool {
  return at < end && (load<u8>(at) & 0xc0) == 0x80;
}

/** The code point that begins at a place; of what is none, one byte is taken. */
function decodeOne(at: usize, end: usize): i32 {
  const first = <i32>load<u8>(at);
  width = 1;
  if (first < 0x80) return first;
  const size = first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
  if (size == 0) return REPLACEMENT;
  let code = first & (0x7f >> size);
  for (let index = 1; index < size; index++) {
    if (!continues(at + index, end)) return REPLACEMENT;
    code = (code << 6) | (load<u8>(at + index) & 0x3f);
  }
  const least = size == 2 ? 0x80 : size == 3 ? 0x800 : 0x10000;
  if (code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return REPLACEMENT;
  width = size;
  return code;
}

/** Text of bytes; what is not UTF-8 becomes U+FFFD, byte by byte. */
export function decode(address: usize, size: i32): string {
  if (size == 0) return "";
  const end = address + size;
  let units = 0;
  for (let at = address; at < end; at += width) units += decodeOne(at, end) < 0x10000 ? 1 : 2;
  const text = changetype<usize>(__new(<usize>units << 1, idof<string>()));
  let to = text;
  for (let at = address; at < end; at += width) {
    const code = decodeOne(at, end);
    if (code < 0x10000) {
      store<u16>(to, code);
      to += 2;
    } else {
      store<u16>(to, 0xd7c0 + (code >> 10));
      store<u16>(to, 0xdc00 | (code & 0x3ff), 2);
      to += 4;
    }
  }
  return changetype<string>(text);
}
