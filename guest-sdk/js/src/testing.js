// Runs a transform without Wasm, in an ordinary test: records in, outputs, rejects and log messages out. The records
// go through the same columns as in the host.

import { door } from "./door.js";
import { logTo } from "./log.js";
import { bytesOf } from "./record.js";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export function harness(definition, { config = null, topic = "topic", partition = 0 } = {}) {
  const made = door(definition);
  const messages = [];
  const captured = (call) => {
    const before = logTo((level, message) => messages.push({ level, message }));
    try {
      return call();
    } catch (error) {
      throw Object.hasOwn(error, "payload") ? new Error(error.payload) : error;
    } finally {
      logTo(before);
    }
  };
  captured(() => made.configure(JSON.stringify(config)));
  let offset = 0n;
  return {
    run(records) {
      const inputs = Array.from(records, input);
      const raw = { topic, partition, ...laid(inputs, offset) };
      offset += BigInt(inputs.length);
      messages.length = 0;
      const given = captured(() => made.transform(raw));
      return new Results(outputs(given, inputs), given.rejects, [...messages]);
    },
  };
}

class Results {
  constructor(outputs, rejects, log) {
    this.outputs = outputs;
    this.rejects = rejects;
    this.log = log;
  }

  get texts() {
    return this.outputs.map((output) => output.text());
  }

  get codes() {
    return this.rejects.map((reject) => reject.code);
  }
}

function input(record) {
  const { key = null, value = null, headers = [], timestamp = null } =
    typeof record === "string" || record instanceof Uint8Array ? { value: record } : record;
  return {
    key: bytesOf(key),
    value: bytesOf(value),
    headers: headers.map(([name, value]) => [bytesOf(name), bytesOf(value)]),
    timestamp: timestamp === null ? null : BigInt(timestamp),
  };
}

/** The records as the host lays them out. */
function laid(inputs, offset) {
  const headers = inputs.flatMap((input) => input.headers);
  return {
    offsets: BigInt64Array.from(inputs, (_, index) => offset + BigInt(index)),
    timestamps: BigInt64Array.from(inputs, (input) => input.timestamp ?? -1n),
    keys: column(inputs.map((input) => input.key)),
    values: column(inputs.map((input) => input.value)),
    headers: {
      counts: headers.length === 0 ? new Uint32Array() : Uint32Array.from(inputs, (input) => input.headers.length),
      names: column(headers.map(([name]) => name)),
      values: column(headers.map(([, value]) => value)),
    },
  };
}

function column(items) {
  const data = new Uint8Array(items.reduce((size, item) => size + (item?.length ?? 0), 0));
  let at = 0;
  for (const item of items) {
    if (item === null) continue;
    data.set(item, at);
    at += item.length;
  }
  return { data, lengths: Int32Array.from(items, (item) => item?.length ?? -1) };
}

function items({ data, lengths }) {
  let at = 0;
  return Array.from(lengths, (length) => (length < 0 ? null : data.slice(at, (at += length))));
}

/** The outputs one by one: columns that are not there keep what the origins had. */
function outputs(given, inputs) {
  const keys = given.keys && items(given.keys);
  const values = given.values && items(given.values);
  const names = given.headers && items(given.headers.names);
  const headerValues = given.headers && items(given.headers.values);
  let header = 0;
  const headers = (index) => {
    const end = header + given.headers.counts[index];
    const pairs = names.slice(header, end).map((name, at) => [decoder.decode(name), headerValues[header + at]]);
    header = end;
    return pairs;
  };
  return Array.from(given.origins, (origin, index) => {
    const input = inputs[origin];
    const timestamp = given.timestamps ? given.timestamps[index] : (input.timestamp ?? -1n);
    return new Output({
      origin,
      key: keys ? keys[index] : input.key,
      value: values ? values[index] : input.value,
      headers: given.headers ? headers(index) : input.headers.map(([name, value]) => [decoder.decode(name), value]),
      timestamp: timestamp === -1n ? null : timestamp,
      route: given.routes[index] > 0 ? given.routeNames[given.routes[index] - 1] : null,
    });
  });
}

class Output {
  constructor(fields) {
    Object.assign(this, fields);
  }

  text() {
    return this.value === null ? null : decoder.decode(this.value);
  }

  keyText() {
    return this.key === null ? null : decoder.decode(this.key);
  }
}
