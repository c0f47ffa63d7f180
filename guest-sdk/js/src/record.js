// What a transform is given: records that are places in a batch of columns.

import { Reject } from "./reject.js";
import { asciiText, encoder, lossyText, textOf } from "./text.js";

const NONE = Object.freeze([]);

/**
 * Byte strings laid end to end; a length of -1 is null. Where items begin is counted when the first is asked for: a
 * column that nobody reads costs nothing.
 */
class Column {
  constructor({ data, lengths }) {
    // the host's arrays are of another realm, where `instanceof Uint8Array` is not true of them
    this.data = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.lengths = lengths;
    this.starts = null;
    /** The whole column as text where it is ASCII, null where it is not. */
    this.ascii = undefined;
  }

  item(index) {
    const length = this.lengths[index];
    if (length < 0) return null;
    const start = this.start(index);
    return this.data.subarray(start, start + length);
  }

  /** The same as text. Most columns are ASCII: decoded once as a whole, their items are slices of one string. */
  text(index, what) {
    const length = this.lengths[index];
    if (length < 0) return null;
    const start = this.start(index);
    if (this.ascii === undefined) this.ascii = asciiText(this.data);
    if (this.ascii !== null) return this.ascii.substring(start, start + length);
    return textOf(this.data.subarray(start, start + length), what);
  }

  start(index) {
    if (this.starts === null) this.starts = startsOf(this.lengths);
    return this.starts[index];
  }
}

/** Where each item begins, of items so long one behind the other. */
function startsOf(lengths) {
  const count = lengths.length;
  const starts = new Uint32Array(count);
  let at = 0;
  for (let index = 0; index < count; index++) {
    starts[index] = at;
    const length = lengths[index];
    if (length > 0) at += length;
  }
  return starts;
}

/** The columns of one call: n records of one partition. */
export class Batch {
  constructor(raw) {
    this.topic = raw.topic;
    this.partition = raw.partition;
    this.offsets = raw.offsets;
    this.timestamps = raw.timestamps;
    this.keys = new Column(raw.keys);
    this.values = new Column(raw.values);
    /** Empty where no record has headers. */
    this.headerCounts = raw.headers.counts;
    this.headerStarts = null;
    this.headerNames = new Column(raw.headers.names);
    this.headerValues = new Column(raw.headers.values);
  }

  /** The headers of record `index`. */
  headers(index) {
    if (this.headerCounts.length === 0 || this.headerCounts[index] === 0) return NONE;
    if (this.headerStarts === null) this.headerStarts = startsOf(this.headerCounts);
    const headers = [];
    const first = this.headerStarts[index];
    for (let at = first; at < first + this.headerCounts[index]; at++) {
      headers.push(new Header(this.headerNames.item(at) ?? new Uint8Array(), this.headerValues.item(at)));
    }
    return Object.freeze(headers);
  }
}

/** A record: a place in a batch. Plain fields and no private ones, which cost this engine several times as much. */
export class InputRecord {
  constructor(batch, index) {
    this._batch = batch;
    this._index = index;
  }

  get topic() {
    return this._batch.topic;
  }

  get partition() {
    return this._batch.partition;
  }

  get offset() {
    return this._batch.offsets[this._index];
  }

  get timestamp() {
    const timestamp = this._batch.timestamps[this._index];
    return timestamp === -1n ? null : timestamp;
  }

  get key() {
    return this._batch.keys.item(this._index);
  }

  get value() {
    return this._batch.values.item(this._index);
  }

  get headers() {
    return this._batch.headers(this._index);
  }

  header(name) {
    return this.headers.findLast((header) => header.name === name);
  }

  text() {
    return this._batch.values.text(this._index, "value");
  }

  keyText() {
    return this._batch.keys.text(this._index, "key");
  }

  json() {
    const text = this.text();
    if (text === null) return null;
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new Reject("not-json", error.message);
    }
  }
}

/** One header. Kafka does not promise that a name is UTF-8, so its bytes are there, too. */
export class Header {
  constructor(nameBytes, value) {
    this.nameBytes = nameBytes;
    this.value = value;
  }

  get name() {
    return lossyText(this.nameBytes);
  }

  text() {
    return this.value === null ? null : textOf(this.value, `header ${this.name}`);
  }
}

/** The bytes of what stands for bytes. */
export function bytesOf(item) {
  if (item === null || item instanceof Uint8Array) return item;
  if (typeof item === "string") return encoder.encode(item);
  throw new TypeError(`expected text, a Uint8Array or null, not ${typeof item}`);
}
