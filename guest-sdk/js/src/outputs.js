// What becomes of a batch. A column that no output has set is not there: the host keeps what the origins had.

import { Growing, Numbers } from "./columns.js";
import { InputRecord } from "./record.js";
import { Reject } from "./reject.js";

const KEY = 1;
const VALUE = 2;
const TIMESTAMP = 4;
const HEADERS = 8;
const ROUTE = 16;
const FIELDS = { __proto__: null, key: KEY, value: VALUE, timestamp: TIMESTAMP, headers: HEADERS, route: ROUTE };
const NO_ROUTES = new Uint16Array(0);

/** What authors write outputs with. */
export class Outputs {
  constructor(columns) {
    this._columns = columns;
  }

  keep() {
    this._columns.keep();
  }

  emit(fields) {
    this._columns.emit(fields);
  }
}

/** The columns that a call gives back, kept between calls. */
export class Columns {
  constructor() {
    this.batch = null;
    /** The record in hand. */
    this.record = null;
    this.index = 0;
    /** An output is half written: it stays so where `emit` threw. */
    this.unfinished = false;
    /** The parts that some output has set. */
    this.touched = 0;
    this.origins = new Numbers(Uint32Array);
    this.timestamps = new Numbers(BigInt64Array);
    this.keys = new Growing();
    this.values = new Growing();
    this.headerCounts = new Numbers(Uint32Array);
    this.headerNames = new Growing();
    this.headerValues = new Growing();
    this.routes = new Numbers(Uint16Array);
    this.routeNames = [];
    this.rejects = [];
    this.outputs = new Outputs(this);
  }

  /** Passes every record of the batch to `apply`, and gives what the contract calls outputs; they are true until the next call. */
  run(batch, apply) {
    this.clear(batch);
    const count = batch.offsets.length;
    for (let index = 0; index < count; index++) {
      const record = new InputRecord(batch, index);
      this.record = record;
      this.index = index;
      const before = this.origins.count;
      try {
        const result = apply(record, this.outputs);
        if (this.unfinished) throw new TypeError("the transform went on after emit had thrown");
        if (result !== undefined && typeof result?.then === "function") {
          throw new TypeError("a transform cannot be async: there is nothing to wait for");
        }
      } catch (error) {
        if (!(error instanceof Reject) || this.unfinished) throw error;
        this.truncate(before);
        this.rejects.push({ origin: index, code: String(error.code), message: String(error.message) });
      }
    }
    return this.view();
  }

  keep() {
    if (this.touched !== 0) this.copy(this.touched, this.record);
    this.origins.push(this.index);
  }

  emit(fields) {
    this.unfinished = true;
    let set = 0;
    for (const name in fields) {
      if (fields[name] === undefined) continue;
      const part = FIELDS[name];
      if (part === undefined) throw new TypeError(`an output has no ${name}`);
      set |= part;
    }
    const kept = this.touched & ~set;
    if (kept !== 0) this.copy(kept, this.record);
    const fresh = set & ~this.touched;
    if (fresh !== 0) this.touch(fresh);
    if (set & KEY) this.keys.push(fields.key);
    if (set & VALUE) this.values.push(fields.value);
    if (set & TIMESTAMP) this.timestamps.push(milliseconds(fields.timestamp));
    if (set & HEADERS) this.pushHeaders(fields.headers);
    if (set & ROUTE) this.routes.push(this.route(fields.route));
    this.origins.push(this.index);
    this.unfinished = false;
  }

  pushHeaders(headers) {
    let count = 0;
    for (const header of headers) {
      const pair = Array.isArray(header);
      const name = pair ? header[0] : header.nameBytes;
      if (name === null) throw new TypeError("a header's name cannot be null");
      this.headerNames.push(name);
      this.headerValues.push(pair ? header[1] : header.value);
      count++;
    }
    this.headerCounts.push(count);
  }

  /** The number that stands for a route's name: 1 for the first. */
  route(name) {
    const index = this.routeNames.indexOf(name);
    if (index >= 0) return index + 1;
    if (typeof name !== "string") throw new TypeError(`a route is text, not ${typeof name}`);
    if (this.routeNames.length === 0xffff) throw new RangeError("more than 65535 routes in one batch");
    return this.routeNames.push(name);
  }

  /** Gives the outputs before this one, which kept the parts, what their origins had. */
  touch(parts) {
    this.touched |= parts;
    for (let at = 0; at < this.origins.count; at++) this.copy(parts, new InputRecord(this.batch, this.origins.items[at]));
  }

  /** Appends the parts of an origin to the columns. */
  copy(parts, record) {
    if (parts & KEY) this.keys.push(record.key);
    if (parts & VALUE) this.values.push(record.value);
    if (parts & TIMESTAMP) this.timestamps.push(record.timestamp ?? -1n);
    if (parts & HEADERS) this.pushHeaders(record.headers);
    if (parts & ROUTE) this.routes.push(0);
  }

  /** Forgets all outputs but the first `count`. */
  truncate(count) {
    if (this.origins.count === count) return;
    this.origins.count = count;
    if (this.touched & KEY) this.keys.truncate(count);
    if (this.touched & VALUE) this.values.truncate(count);
    if (this.touched & TIMESTAMP) this.timestamps.count = count;
    if (this.touched & HEADERS) {
      this.headerCounts.count = count;
      const headers = this.headerCounts.view().reduce((sum, headers) => sum + headers, 0);
      this.headerNames.truncate(headers);
      this.headerValues.truncate(headers);
    }
    if (this.touched & ROUTE) this.routes.count = count;
  }

  clear(batch) {
    this.batch = batch;
    this.touched = 0;
    this.unfinished = false;
    this.routeNames = [];
    this.rejects = [];
    const { origins, timestamps, keys, values, headerCounts, headerNames, headerValues, routes } = this;
    for (const column of [origins, timestamps, keys, values, headerCounts, headerNames, headerValues, routes]) column.clear();
  }

  view() {
    const { touched } = this;
    const headers = () => ({
      counts: this.headerCounts.view(),
      names: this.headerNames.view(),
      values: this.headerValues.view(),
    });
    return {
      origins: this.origins.view(),
      timestamps: touched & TIMESTAMP ? this.timestamps.view() : undefined,
      keys: touched & KEY ? this.keys.view() : undefined,
      values: touched & VALUE ? this.values.view() : undefined,
      headers: touched & HEADERS ? headers() : undefined,
      routes: touched & ROUTE ? this.routes.view() : NO_ROUTES,
      routeNames: this.routeNames,
      rejects: this.rejects,
    };
  }
}

function milliseconds(timestamp) {
  const whole = BigInt(timestamp);
  if (whole !== BigInt.asIntN(64, whole)) throw new RangeError(`a timestamp of more than 64 bits: ${whole}`);
  return whole;
}
