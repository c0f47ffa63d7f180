/** The records of a batch, one by one, as views into the host's columns. */
import { Bytes } from "./bytes";
import { decode } from "./utf8";

/** The tables of the core door (docs/guests/core-door.md): where in a batch something stands. */
export const enum At {
  count = 0,
  partition = 4,
  topic = 8,
  offsets = 16,
  timestamps = 20,
  keys = 24,
  values = 36,
  headerCounts = 48,
  headerNames = 56,
  headerValues = 68,
}

/** The size of an item of a column; -1 is null. */
export function sizeOf(column: usize, index: i32): i32 {
  return load<i32>(<usize>load<u32>(column) + (<usize>index << 2));
}

/** Where a column's bytes are. */
export function dataOf(column: usize): usize {
  return <usize>load<u32>(column, 4);
}

/** Where a record's items begin in the columns of a batch. */
export class Cursor {
  index: i32 = 0;
  key: usize = 0;
  value: usize = 0;
  header: i32 = 0;
  headerName: usize = 0;
  headerValue: usize = 0;

  reset(): void {
    this.index = 0;
    this.key = 0;
    this.value = 0;
    this.header = 0;
    this.headerName = 0;
    this.headerValue = 0;
  }

  headerCount(batch: usize): i32 {
    const counts = <usize>load<u32>(batch, At.headerCounts);
    return counts ? load<i32>(counts + (<usize>this.index << 2)) : 0;
  }

  advance(batch: usize): void {
    this.key += max(sizeOf(batch + At.keys, this.index), 0);
    this.value += max(sizeOf(batch + At.values, this.index), 0);
    for (let left = this.headerCount(batch); left > 0; left--) {
      this.headerName += max(sizeOf(batch + At.headerNames, this.header), 0);
      this.headerValue += max(sizeOf(batch + At.headerValues, this.header), 0);
      this.header++;
    }
    this.index++;
  }
}

export class Header {
  constructor(public name: Bytes, public value: Bytes | null) {}
}

/** A record; everything is borrowed from the host's batch until the transform returns. */
export class Record {
  /** For the SDK. */
  batch: usize = 0;
  /** For the SDK. */
  at: Cursor = new Cursor();
  private keyBytes: Bytes = new Bytes();
  private valueBytes: Bytes = new Bytes();
  private topicText: string | null = null;

  /** For the SDK: begins with a batch. */
  start(batch: usize): void {
    this.batch = batch;
    this.at.reset();
    this.topicText = null;
  }

  get topic(): string {
    const known = this.topicText;
    if (known !== null) return known;
    const topic = decode(<usize>load<u32>(this.batch, At.topic), load<u32>(this.batch, At.topic + 4));
    this.topicText = topic;
    return topic;
  }

  get partition(): i32 {
    return load<i32>(this.batch, At.partition);
  }

  get offset(): i64 {
    return load<i64>(<usize>load<u32>(this.batch, At.offsets) + (<usize>this.at.index << 3));
  }

  /** Milliseconds since 1970-01-01 UTC; -1 where there is none. */
  get timestamp(): i64 {
    return load<i64>(<usize>load<u32>(this.batch, At.timestamps) + (<usize>this.at.index << 3));
  }

  get key(): Bytes | null {
    const column = this.batch + At.keys;
    const size = sizeOf(column, this.at.index);
    if (size < 0) return null;
    const bytes = this.keyBytes;
    bytes.address = dataOf(column) + this.at.key;
    bytes.length = size;
    return bytes;
  }

  get value(): Bytes | null {
    const column = this.batch + At.values;
    const size = sizeOf(column, this.at.index);
    if (size < 0) return null;
    const bytes = this.valueBytes;
    bytes.address = dataOf(column) + this.at.value;
    bytes.length = size;
    return bytes;
  }

  get headerCount(): i32 {
    return this.at.headerCount(this.batch);
  }

  /** All headers, in order. */
  get headers(): Array<Header> {
    const count = this.headerCount;
    const all = new Array<Header>(count);
    const names = this.batch + At.headerNames;
    const values = this.batch + At.headerValues;
    let name = dataOf(names) + this.at.headerName;
    let value = dataOf(values) + this.at.headerValue;
    for (let index = 0; index < count; index++) {
      const nameSize = sizeOf(names, this.at.header + index);
      const valueSize = sizeOf(values, this.at.header + index);
      all[index] = new Header(new Bytes(name, nameSize), valueSize < 0 ? null : new Bytes(value, valueSize));
      name += nameSize;
      value += max(valueSize, 0);
    }
    return all;
  }

  /** The last header of a name, as Kafka's own lastHeader; null where there is none. The name is a text or Bytes. */
  header<T>(name: T): Header | null {
    if (this.headerCount == 0) return null;
    const headers = this.headers;
    for (let index = headers.length - 1; index >= 0; index--) {
      if (headers[index].name.equals(name)) return headers[index];
    }
    return null;
  }
}
