/** Byte strings in the host's batch: no copies are made of what a transform only looks at. */
import { decode } from "./utf8";

/**
 * Bytes that a record has, borrowed until the transform returns: `toString()` and `toArray()` copy them. Kafka's null is
 * `null` wherever `Bytes | null` stands.
 */
export class Bytes {
  /** For the SDK: where the bytes are. */
  constructor(public address: usize = 0, public length: i32 = 0) {}

  /** The UTF-8 bytes of a text. */
  static of(text: string): Bytes {
    const bytes = new Bytes();
    bytes.owner = String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE);
    bytes.address = changetype<usize>(bytes.owner);
    bytes.length = bytes.owner!.byteLength;
    return bytes;
  }

  /** Keeps memory of this module's own alive. */
  private owner: ArrayBuffer | null = null;

  @operator("[]")
  get(index: i32): u8 {
    if (<u32>index >= <u32>this.length) throw new RangeError("there are only " + this.length.toString() + " bytes");
    return load<u8>(this.address + index);
  }

  /** From one place up to another; the end is cut to what there is. */
  slice(from: i32, to: i32 = i32.MAX_VALUE): Bytes {
    const end = max(min(to, this.length), 0);
    const begin = max(min(from, end), 0);
    const part = new Bytes(this.address + begin, end - begin);
    part.owner = this.owner;
    return part;
  }

  /** Where a byte stands first; -1 where it is not. */
  indexOf(byte: u8, from: i32 = 0): i32 {
    for (let index = from; index < this.length; index++) {
      if (load<u8>(this.address + index) == byte) return index;
    }
    return -1;
  }

  /** Whether these are the bytes of a text, or the same bytes. */
  equals<T>(other: T): bool {
    const size = put(other);
    return size == this.length && memory.compare(this.address, given, size) == 0;
  }

  /** Whether they begin with those of a text, or with other bytes. */
  startsWith<T>(other: T): bool {
    const size = put(other);
    return size <= this.length && memory.compare(this.address, given, size) == 0;
  }

  /** As text; what is not UTF-8 becomes U+FFFD. */
  toString(): string {
    return decode(this.address, this.length);
  }

  /** A copy. */
  toArray(): Uint8Array {
    const copy = new Uint8Array(this.length);
    memory.copy(copy.dataStart, this.address, this.length);
    return copy;
  }
}

/** Where the bytes of the last `put` are. */
export let given: usize = 0;

let scratch: usize = 0;
let room: usize = 0;

/**
 * Makes `given` the address of a value's bytes, until the next call, and returns their number; -1 is null. Texts, Bytes,
 * Uint8Array and ArrayBuffer can be given.
 */
export function put<T>(value: T): i32 {
  if (isNullable<T>()) {
    if (changetype<usize>(value) == 0) return -1;
  }
  if (isString<T>()) {
    const text = changetype<string>(value);
    // three bytes are the most that a UTF-16 unit takes
    const most = <usize>text.length * 3;
    if (most > room) {
      if (scratch) heap.free(scratch);
      room = most + 256;
      scratch = heap.alloc(room);
    }
    given = scratch;
    return <i32>String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, scratch, false, String.UTF8.ErrorMode.REPLACE);
  }
  if (idof<T>() == idof<Bytes>()) {
    const bytes = changetype<Bytes>(value);
    given = bytes.address;
    return bytes.length;
  }
  if (idof<T>() == idof<Uint8Array>()) {
    const array = changetype<Uint8Array>(value);
    given = array.dataStart;
    return array.length;
  }
  if (idof<T>() == idof<ArrayBuffer>()) {
    given = changetype<usize>(value);
    return changetype<ArrayBuffer>(value).byteLength;
  }
  ERROR("give a string, Bytes, a Uint8Array or an ArrayBuffer");
}
