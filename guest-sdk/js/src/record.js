// What a transform is given: records as views into a batch of columns.

import { Reject } from "./reject.js";
import { asciiText, encoder, lossyText, textOf } from "./text.js";

const NONE = Object.freeze([]);

/** Byte strings laid end to end; a length of -1 is null. */
class Column {
  #ascii;

  constructor({ data, lengths }) {
    this.data = data;
    this.lengths = lengths;
  }

  /** Item `index`, whose bytes begin at `at`. */
  item(index, at) {
    const length = this.lengths[index];
    return length < 0 ? null : this.data.subarray(at, at + length);
  }

  /** The same as text. Most columns are ASCII: decoded once as a whole, their items are slices of one string. */
  text(index, at, what) {
    const length = this.lengths[index];
    if (length < 0) return null;
    if (this.#ascii === undefined) this.#ascii = asciiText(this.data);
    if (this.#ascii !== null) return this.#ascii.substring(at, at + length);
    return textOf(this.data.subarray(at, at + length), what);
  }
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
    this.headerNames = new Column(raw.headers.names);
    this.headerValues = new Column(raw.headers.values);
  }

  /** The records in order, each made when it is asked for. */
  *records() {
    const count = this.offsets.length;
    const { headerCounts } = this;
    const [keys, values] = [this.keys.lengths, this.values.lengths];
    const [names, headerValues] = [this.headerNames.lengths, this.headerValues.lengths];
    const size = (length) => (length < 0 ? 0 : length);
    let [key, value, header, name, headerValue] = [0, 0, 0, 0, 0];
    for (let index = 0; index < count; index++) {
      yield new InputRecord(this, index, key, value, header, name, headerValue);
      key += size(keys[index]);
      value += size(values[index]);
      for (const end = header + (headerCounts[index] ?? 0); header < end; header++) {
        name += size(names[header]);
        headerValue += size(headerValues[header]);
      }
    }
  }
}

/** A record of the batch, and where its items begin in the columns. */
export class InputRecord {
  #batch;
  #key;
  #value;
  #header;
  #name;
  #headerValue;
  #headers;

  constructor(batch, index, key, value, header, name, headerValue) {
    this.#batch = batch;
    /** Its place in the batch; for the SDK. */
    this.index = index;
    this.#key = key;
    this.#value = value;
    this.#header = header;
    this.#name = name;
    this.#headerValue = headerValue;
  }

  get topic() {
    return this.#batch.topic;
  }

  get partition() {
    return this.#batch.partition;
  }

  get offset() {
    return this.#batch.offsets[this.index];
  }

  get timestamp() {
    const timestamp = this.#batch.timestamps[this.index];
    return timestamp === -1n ? null : timestamp;
  }

  get key() {
    return this.#batch.keys.item(this.index, this.#key);
  }

  get value() {
    return this.#batch.values.item(this.index, this.#value);
  }

  get headers() {
    if (this.#headers !== undefined) return this.#headers;
    const { headerCounts, headerNames, headerValues } = this.#batch;
    const count = headerCounts[this.index] ?? 0;
    if (count === 0) return NONE;
    const headers = [];
    let [name, value] = [this.#name, this.#headerValue];
    for (let index = this.#header; index < this.#header + count; index++) {
      const header = new Header(headerNames.item(index, name) ?? new Uint8Array(), headerValues.item(index, value));
      headers.push(header);
      name += header.nameBytes.length;
      value += header.value?.length ?? 0;
    }
    this.#headers = Object.freeze(headers);
    return headers;
  }

  header(name) {
    return this.headers.findLast((header) => header.name === name);
  }

  text() {
    return this.#batch.values.text(this.index, this.#value, "value");
  }

  keyText() {
    return this.#batch.keys.text(this.index, this.#key, "key");
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
  #name;

  constructor(nameBytes, value) {
    this.nameBytes = nameBytes;
    this.value = value;
  }

  get name() {
    this.#name ??= lossyText(this.nameBytes);
    return this.#name;
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
