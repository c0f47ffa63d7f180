/** What a transform gives, gathered as columns. A column that nobody set is left to the host ("keep" in the contract). */
import { given, put } from "./bytes";
import { Buffer, Column } from "./column";
import { At, Cursor, Record, dataOf, sizeOf } from "./record";

/** What an output can set. */
const enum Part {
  key = 1,
  value = 2,
  timestamp = 4,
  headers = 8,
  route = 16,
}

/** The outputs of the core door, of 128 bytes. */
const table: usize = memory.data(128, 16);

/** What becomes of a record. */
export class Outputs {
  /** For the SDK. */
  touched: i32 = 0;
  keys: Column = new Column();
  values: Column = new Column();
  timestamps: Buffer = new Buffer();
  headerCounts: Buffer = new Buffer();
  headerNames: Column = new Column();
  headerValues: Column = new Column();
  routes: Buffer = new Buffer();
  routeNames: Column = new Column();
  private origins: Buffer = new Buffer();
  private rejectOrigins: Buffer = new Buffer();
  private rejectCodes: Column = new Column();
  private rejectMessages: Column = new Column();
  private current: Output = new Output();
  private walk: Cursor = new Cursor();

  /** For the SDK. */
  constructor(public record: Record) {
    this.current.all = this;
  }

  /** Lets the record pass as it is. A transform that does only this moves no bytes. */
  keep(): void {
    this.emit();
  }

  /** Begins an output: the record with what is set on it, until the next output begins or the transform returns. */
  emit(): Output {
    this.finish();
    const output = this.current;
    output.set = 0;
    output.open = true;
    return output;
  }

  /**
   * Refuses the record: what it gave is withheld. The code is a short word of the transform's own, for metrics and for
   * filtering dead letters; the message is for a person.
   */
  reject(code: string, message: string): void {
    const origin = this.record.at.index;
    const origins = this.rejectOrigins;
    // a record is rejected once, for the first reason
    if (origins.size && load<i32>(origins.data + origins.size - 4) == origin) return;
    origins.push<i32>(origin);
    this.rejectCodes.add(code);
    this.rejectMessages.add(message);
  }

  /** For the SDK: begins with a batch. */
  start(): void {
    this.touched = 0;
    this.current.open = false;
    this.origins.size = 0;
    this.timestamps.size = 0;
    this.headerCounts.size = 0;
    this.routes.size = 0;
    this.rejectOrigins.size = 0;
    this.keys.clear();
    this.values.clear();
    this.headerNames.clear();
    this.headerValues.clear();
    this.routeNames.clear();
    this.rejectCodes.clear();
    this.rejectMessages.clear();
  }

  /** For the SDK: ends an output. */
  finish(): void {
    const output = this.current;
    if (!output.open) return;
    output.open = false;
    const at = this.record.at;
    const unset = this.touched & ~output.set;
    if (unset) this.keepParts(unset, at);
    if (output.set & Part.headers) this.headerCounts.push<i32>(output.headers);
    this.origins.push<i32>(at.index);
  }

  /** Gives columns what an origin has. */
  private keepParts(parts: i32, at: Cursor): void {
    const batch = this.record.batch;
    if (parts & Part.key) {
      this.keys.push(dataOf(batch + At.keys) + at.key, sizeOf(batch + At.keys, at.index));
    }
    if (parts & Part.value) {
      this.values.push(dataOf(batch + At.values) + at.value, sizeOf(batch + At.values, at.index));
    }
    if (parts & Part.timestamp) {
      this.timestamps.push<i64>(load<i64>(<usize>load<u32>(batch, At.timestamps) + (<usize>at.index << 3)));
    }
    if (parts & Part.headers) this.headerCounts.push<i32>(this.keepHeaders(at));
    if (parts & Part.route) this.routes.push<u16>(0);
  }

  /** For the SDK. */
  keepHeaders(at: Cursor): i32 {
    const names = this.record.batch + At.headerNames;
    const values = this.record.batch + At.headerValues;
    const count = at.headerCount(this.record.batch);
    let name = dataOf(names) + at.headerName;
    let value = dataOf(values) + at.headerValue;
    for (let index = at.header; index < at.header + count; index++) {
      const nameSize = sizeOf(names, index);
      const valueSize = sizeOf(values, index);
      this.headerNames.push(name, nameSize);
      this.headerValues.push(value, valueSize);
      name += nameSize;
      value += max(valueSize, 0);
    }
    return count;
  }

  /** For the SDK: a column is set for the first time in this batch, so the outputs before have what their origins had. */
  touch(part: i32): void {
    if (this.touched & part) return;
    this.touched |= part;
    const at = this.walk;
    at.reset();
    for (let output: usize = 0; output < this.origins.size; output += 4) {
      const origin = load<i32>(this.origins.data + output);
      while (at.index < origin) at.advance(this.record.batch);
      this.keepParts(part, at);
    }
  }

  /** For the SDK: the number of a route's name in this batch, from 1. */
  routeNumber(name: usize, size: i32): u16 {
    const names = this.routeNames;
    const count = names.count;
    let at = names.bytes.data;
    for (let index = 0; index < count; index++) {
      const length = names.length(index);
      if (length == size && memory.compare(at, name, size) == 0) return <u16>(index + 1);
      at += length;
    }
    if (count == 0xffff) throw new Error("a batch has more than 65535 routes");
    names.push(name, size);
    return <u16>(count + 1);
  }

  /** For the SDK: the address of the outputs of a batch. */
  describe(): usize {
    memory.fill(table, 0, 128);
    store<u32>(table, <u32>(this.origins.size >> 2));
    store<u32>(table, this.origins.address, 4);
    if (this.touched & Part.timestamp) store<u32>(table, this.timestamps.address, 8);
    if (this.touched & Part.key) this.keys.describe(table + 12);
    if (this.touched & Part.value) this.values.describe(table + 24);
    if (this.touched & Part.headers) {
      store<u32>(table, this.headerCounts.address, 36);
      store<u32>(table, this.headerNames.count, 40);
    }
    this.headerNames.describe(table + 44);
    this.headerValues.describe(table + 56);
    if (this.touched & Part.route) store<u32>(table, this.routes.address, 68);
    store<u32>(table, this.routeNames.count, 72);
    this.routeNames.describe(table + 76);
    store<u32>(table, <u32>(this.rejectOrigins.size >> 2), 88);
    store<u32>(table, this.rejectOrigins.address, 92);
    this.rejectCodes.describe(table + 96);
    this.rejectMessages.describe(table + 108);
    return table;
  }
}

/**
 * An output that was begun; good until the next begins. What it takes is a text (written as UTF-8), Bytes, a Uint8Array or an
 * ArrayBuffer; a variable that may be null gives Kafka's null where it is.
 */
export class Output {
  /** For the SDK. */
  set: i32 = 0;
  /** For the SDK. */
  headers: i32 = 0;
  /** For the SDK. */
  open: bool = false;

  /** For the SDK. It is set right after the output is made, so it is never null. */
  all: Outputs = changetype<Outputs>(0);

  setKey<T>(key: T): Output {
    this.begin(Part.key, this.all.keys).add(key);
    return this;
  }

  /** Makes the key null. */
  nullKey(): Output {
    this.begin(Part.key, this.all.keys).push(0, -1);
    return this;
  }

  setValue<T>(value: T): Output {
    this.begin(Part.value, this.all.values).add(value);
    return this;
  }

  /** Makes the value null: a tombstone. */
  nullValue(): Output {
    this.begin(Part.value, this.all.values).push(0, -1);
    return this;
  }

  /** Adds to the value, which is empty before the first piece. Null adds nothing. */
  write<T>(piece: T): Output {
    const size = put(piece);
    this.written().extend(given, max(size, 0));
    return this;
  }

  /** Adds a byte to the value. */
  writeByte(byte: u8): Output {
    const values = this.written();
    values.extend(0, 0);
    const length = values.lengths.data + values.lengths.size - 4;
    store<i32>(length, load<i32>(length) + 1);
    values.bytes.push<u8>(byte);
    return this;
  }

  /** Milliseconds since 1970-01-01 UTC; -1 is none. */
  setTimestamp(milliseconds: i64): Output {
    this.all.touch(Part.timestamp);
    if (this.set & Part.timestamp) this.all.timestamps.size -= 8;
    this.set |= Part.timestamp;
    this.all.timestamps.push<i64>(milliseconds);
    return this;
  }

  /** Adds a header behind those there are. */
  addHeader<N, V>(name: N, value: V): Output {
    this.ownHeaders();
    this.all.headerNames.add(name);
    this.all.headerValues.add(value);
    this.headers++;
    return this;
  }

  /** Adds a header whose value is null. */
  addNullHeader<N>(name: N): Output {
    this.ownHeaders();
    this.all.headerNames.add(name);
    this.all.headerValues.push(0, -1);
    this.headers++;
    return this;
  }

  /** Removes all headers of a name. */
  removeHeader<N>(name: N): Output {
    this.ownHeaders();
    const names = this.all.headerNames;
    const values = this.all.headerValues;
    const size = put(name);
    const first = names.count - this.headers;
    let nameAt = names.bytes.size;
    let valueAt = values.bytes.size;
    for (let index = first; index < names.count; index++) {
      nameAt -= names.length(index);
      valueAt -= max(values.length(index), 0);
    }
    for (let index = first; index < names.count; ) {
      const length = names.length(index);
      if (length == size && memory.compare(names.bytes.data + nameAt, given, size) == 0) {
        names.cut(index, nameAt);
        values.cut(index, valueAt);
        this.headers--;
      } else {
        nameAt += length;
        valueAt += max(values.length(index), 0);
        index++;
      }
    }
    return this;
  }

  /** Sends the output to a topic that the pipeline's sink declares. */
  setRoute<T>(topic: T): Output {
    const all = this.all;
    all.touch(Part.route);
    if (this.set & Part.route) all.routes.size -= 2;
    this.set |= Part.route;
    const size = put(topic);
    all.routes.push<u16>(all.routeNumber(given, size));
    return this;
  }

  /** Begins to set a column of bytes: what was set before is gone. */
  private begin(part: i32, column: Column): Column {
    this.all.touch(part);
    if (this.set & part) column.pop();
    this.set |= part;
    return column;
  }

  private written(): Column {
    const values = this.all.values;
    if (!(this.set & Part.value)) this.begin(Part.value, values).push(0, 0);
    return values;
  }

  private ownHeaders(): void {
    this.all.touch(Part.headers);
    if (this.set & Part.headers) return;
    this.set |= Part.headers;
    this.headers = this.all.keepHeaders(this.all.record.at);
  }
}
