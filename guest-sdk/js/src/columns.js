// What a call gives back: columns that grow, kept between calls.

import { encoder } from "./text.js";

/** Bytes of memory that a column keeps for the next call. */
const KEPT = 1 << 20;

/** Numbers in a typed array that grows. */
export class Numbers {
  constructor(Type) {
    this.Type = Type;
    this.items = new Type(64);
    this.count = 0;
  }

  push(item) {
    if (this.count === this.items.length) {
      const larger = new this.Type(2 * this.count);
      larger.set(this.items);
      this.items = larger;
    }
    this.items[this.count++] = item;
  }

  /** What is there; true until the next call. */
  view() {
    return this.items.subarray(0, this.count);
  }

  clear() {
    this.count = 0;
    if (this.items.byteLength > KEPT) this.items = new this.Type(64);
  }
}

/** Byte strings laid end to end. */
export class Growing {
  constructor() {
    this.data = new Uint8Array(4096);
    this.size = 0;
    this.lengths = new Numbers(Int32Array);
  }

  /** Appends text, bytes or null. */
  push(item) {
    if (item === null) {
      this.lengths.push(-1);
    } else if (typeof item === "string") {
      // at most three bytes for each of UTF-16's units
      this.reserve(3 * item.length);
      const { written } = encoder.encodeInto(item, this.data.subarray(this.size));
      this.size += written;
      this.lengths.push(written);
    } else if (item instanceof Uint8Array) {
      this.reserve(item.length);
      this.data.set(item, this.size);
      this.size += item.length;
      this.lengths.push(item.length);
    } else {
      throw new TypeError(`expected text, a Uint8Array or null, not ${typeof item}`);
    }
  }

  /** Forgets all items but the first `count`. */
  truncate(count) {
    const { items } = this.lengths;
    for (let index = count; index < this.lengths.count; index++) this.size -= Math.max(items[index], 0);
    this.lengths.count = count;
  }

  view() {
    return { data: this.data.subarray(0, this.size), lengths: this.lengths.view() };
  }

  clear() {
    this.size = 0;
    this.lengths.clear();
    if (this.data.length > KEPT) this.data = new Uint8Array(4096);
  }

  /** Makes room for more bytes. */
  reserve(more) {
    const needed = this.size + more;
    if (needed <= this.data.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.data.length));
    larger.set(this.data.subarray(0, this.size));
    this.data = larger;
  }
}
