// What becomes of a batch. A column that no output has set is not there: the host keeps what the origins had.

import { Growing, Numbers } from "./columns.js";

const KEY = 1;
const VALUE = 2;
const TIMESTAMP = 4;
const HEADERS = 8;
const ROUTE = 16;
const FIELDS = new Map([["key", KEY], ["value", VALUE], ["timestamp", TIMESTAMP], ["headers", HEADERS], ["route", ROUTE]]);
const NO_ROUTES = new Uint16Array(0);

export class Outputs {
  #batch;
  #record;
  /** The parts that some output has set. */
  #touched = 0;
  #origins = new Numbers(Uint32Array);
  #timestamps = new Numbers(BigInt64Array);
  #keys = new Growing();
  #values = new Growing();
  #headerCounts = new Numbers(Uint32Array);
  #headerNames = new Growing();
  #headerValues = new Growing();
  #routes = new Numbers(Uint16Array);
  #routeNames = [];
  #rejects = [];
  #columns = [
    this.#origins,
    this.#timestamps,
    this.#keys,
    this.#values,
    this.#headerCounts,
    this.#headerNames,
    this.#headerValues,
    this.#routes,
  ];

  keep() {
    if (this.#touched !== 0) this.#keep(this.#touched, this.#record);
    this.#origins.push(this.#record.index);
  }

  emit(fields) {
    let set = 0;
    for (const name in fields) {
      if (fields[name] === undefined) continue;
      const part = FIELDS.get(name);
      if (part === undefined) throw new TypeError(`an output has no ${name}`);
      set |= part;
    }
    if ((set & ~this.#touched) !== 0) this.#touch(set & ~this.#touched);
    const kept = this.#touched & ~set;
    if (kept !== 0) this.#keep(kept, this.#record);
    if (set & KEY) this.#keys.push(fields.key);
    if (set & VALUE) this.#values.push(fields.value);
    if (set & TIMESTAMP) this.#timestamps.push(BigInt(fields.timestamp));
    if (set & HEADERS) this.#headers(fields.headers);
    if (set & ROUTE) this.#routes.push(this.#route(fields.route));
    this.#origins.push(this.#record.index);
  }

  /** Passes every record of the batch to `apply`, and gives what the contract calls outputs. For the SDK. */
  run(batch, apply, Reject) {
    this.#clear(batch);
    for (const record of batch.records()) {
      this.#record = record;
      const before = this.#origins.count;
      try {
        const result = apply(record, this);
        if (typeof result?.then === "function") throw new TypeError("a transform cannot be async: nothing is there to wait for");
      } catch (error) {
        if (!(error instanceof Reject)) throw error;
        this.#truncate(before);
        this.#rejects.push({ origin: record.index, code: String(error.code), message: String(error.message) });
      }
    }
    return this.#view();
  }

  #headers(headers) {
    let count = 0;
    for (const header of headers) {
      const [name, value] = Array.isArray(header) ? header : [header.nameBytes, header.value];
      if (name === null) throw new TypeError("a header's name cannot be null");
      this.#headerNames.push(name);
      this.#headerValues.push(value);
      count++;
    }
    this.#headerCounts.push(count);
  }

  /** The number that stands for a route's name: 1 for the first. */
  #route(name) {
    const index = this.#routeNames.indexOf(name);
    if (index >= 0) return index + 1;
    if (this.#routeNames.length === 0xffff) throw new RangeError("more than 65535 routes in one batch");
    return this.#routeNames.push(String(name));
  }

  /** Gives the outputs before this one, which kept the parts, what their origins had. */
  #touch(parts) {
    this.#touched |= parts;
    const origins = this.#origins.view();
    let at = 0;
    if (origins.length === 0) return;
    for (const record of this.#batch.records()) {
      for (; origins[at] === record.index; at++) this.#keep(parts, record);
      if (at === origins.length) return;
    }
  }

  /** Appends the parts of an origin to the columns. */
  #keep(parts, record) {
    if (parts & KEY) this.#keys.push(record.key);
    if (parts & VALUE) this.#values.push(record.value);
    if (parts & TIMESTAMP) this.#timestamps.push(record.timestamp ?? -1n);
    if (parts & HEADERS) this.#headers(record.headers);
    if (parts & ROUTE) this.#routes.push(0);
  }

  /** Forgets all outputs but the first `count`. */
  #truncate(count) {
    if (this.#origins.count === count) return;
    this.#origins.count = count;
    if (this.#touched & KEY) this.#keys.truncate(count);
    if (this.#touched & VALUE) this.#values.truncate(count);
    if (this.#touched & TIMESTAMP) this.#timestamps.count = count;
    if (this.#touched & HEADERS) {
      this.#headerCounts.count = count;
      const headers = this.#headerCounts.view().reduce((sum, headers) => sum + headers, 0);
      this.#headerNames.truncate(headers);
      this.#headerValues.truncate(headers);
    }
    if (this.#touched & ROUTE) this.#routes.count = count;
  }

  #clear(batch) {
    this.#batch = batch;
    this.#touched = 0;
    this.#routeNames = [];
    this.#rejects = [];
    for (const column of this.#columns) column.clear();
  }

  #view() {
    const touched = this.#touched;
    const headers = () => ({
      counts: this.#headerCounts.view(),
      names: this.#headerNames.view(),
      values: this.#headerValues.view(),
    });
    return {
      origins: this.#origins.view(),
      timestamps: touched & TIMESTAMP ? this.#timestamps.view() : undefined,
      keys: touched & KEY ? this.#keys.view() : undefined,
      values: touched & VALUE ? this.#values.view() : undefined,
      headers: touched & HEADERS ? headers() : undefined,
      routes: touched & ROUTE ? this.#routes.view() : NO_ROUTES,
      routeNames: this.#routeNames,
      rejects: this.#rejects,
    };
  }
}
