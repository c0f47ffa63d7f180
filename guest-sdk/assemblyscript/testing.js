// Runs a module of the core door under Node, for tests: the host's side of a batch. It is no sandbox, and has no limits.
import { readFile } from "node:fs/promises";

const LOG = "edgemill:transform/log@1.0.0";
const LEVELS = ["trace", "debug", "info", "warn", "error"];
const BATCH = 80;

/** Loads a module and gives it a configuration. Fails with the module's own message where it refuses that. */
export async function load(file, config = null) {
  const module = await WebAssembly.compile(await readFile(file));
  const foreign = WebAssembly.Module.imports(module).find((one) => one.module !== LOG || one.name !== "log");
  if (foreign) throw new Error(`${file} imports ${foreign.module} ${foreign.name}, which a host does not have`);
  return new Harness(module, config);
}

export class Harness {
  #door;
  #log = [];
  #input = 0;
  #room = 0;

  constructor(module, config) {
    const log = (level, text, size) => this.#log.push({ level: LEVELS[level], message: this.#text(text, size) });
    this.#door = new WebAssembly.Instance(module, { [LOG]: { log } }).exports;
    this.#call(() => this.#door._initialize?.());
    const text = Buffer.from(JSON.stringify(config));
    this.#place(text.length).set(text);
    const refusal = this.#call(() => this.#door.edgemill_configure(this.#input, text.length)) >>> 0;
    if (refusal) throw new Error(this.#text(this.#u32(refusal), this.#u32(refusal + 4)));
  }

  /** Passes records in one batch. */
  run(records) {
    this.#log.length = 0;
    this.#write(records);
    const table = this.#call(() => this.#door.edgemill_transform_1_0_0(this.#input)) >>> 0;
    if (this.#u32(table + 120)) throw new Error(this.#text(this.#u32(table + 120), this.#u32(table + 124)));
    const rejects = this.#rejects(table);
    const refused = new Set(rejects.map((reject) => reject.origin));
    const outputs = this.#outputs(table, records).filter((output) => !refused.has(output.origin));
    return { outputs, rejects, log: [...this.#log] };
  }

  /** The module's memory in bytes, which must not grow with the number of records. */
  get memory() {
    return this.#door.memory.buffer.byteLength;
  }

  #rejects(table) {
    const count = this.#u32(table + 88);
    const codes = this.#column(table + 96, count);
    const messages = this.#column(table + 108, count);
    return codes.map((code, index) => ({ origin: this.#u32(this.#u32(table + 92) + 4 * index), code, message: messages[index] }));
  }

  #outputs(table, records) {
    const count = this.#u32(table);
    const origins = this.#u32(table + 4);
    this.#aligned(table, origins, this.#u32(table + 8), this.#u32(table + 36), this.#u32(table + 68), this.#u32(table + 92));
    const [timestamps, headerCounts, routes] = [this.#u32(table + 8), this.#u32(table + 36), this.#u32(table + 68)];
    const keys = this.#u32(table + 12) ? this.#column(table + 12, count) : null;
    const values = this.#u32(table + 24) ? this.#column(table + 24, count) : null;
    const names = headerCounts ? this.#column(table + 44, this.#u32(table + 40)) : [];
    const headerValues = headerCounts ? this.#column(table + 56, this.#u32(table + 40)) : [];
    const topics = this.#column(table + 76, this.#u32(table + 72));
    const outputs = [];
    for (let index = 0, header = 0; index < count; index++) {
      const origin = this.#u32(origins + 4 * index);
      const { key = null, value = null, headers = [], timestamp = -1 } = records[origin];
      const output = { origin, key: plain(key), value: plain(value), headers, timestamp, topic: null };
      if (keys) output.key = keys[index];
      if (values) output.value = values[index];
      if (timestamps) output.timestamp = Number(this.#view().getBigInt64(timestamps + 8 * index, true));
      if (headerCounts) {
        const end = header + this.#u32(headerCounts + 4 * index);
        output.headers = [];
        for (; header < end; header++) output.headers.push([names[header], headerValues[header]]);
      }
      const route = routes ? this.#view().getUint16(routes + 2 * index, true) : 0;
      if (route) output.topic = topics[route - 1];
      outputs.push(output);
    }
    return outputs;
  }

  #write(records) {
    const headers = records.flatMap((record) => record.headers ?? []);
    const topic = Buffer.from(records[0]?.topic ?? "topic");
    const parts = [];
    let size = BATCH;
    const place = (bytes) => {
      const at = size;
      parts.push([at, bytes]);
      size += (bytes.length + 7) & ~7;
      return at;
    };
    const numbers = (Type, all) => place(new Uint8Array(Type.from(all).buffer));
    const column = (items) => {
      const bytes = items.map((item) => (item === null || item === undefined ? null : Buffer.from(item)));
      const data = Buffer.concat(bytes.filter((item) => item !== null));
      return [numbers(Int32Array, bytes.map((item) => (item === null ? -1 : item.length))), place(data), data.length];
    };
    const big = (name, otherwise) => records.map((record, index) => BigInt(record[name] ?? otherwise(index)));
    const table = [
      records.length,
      records[0]?.partition ?? 0,
      place(topic),
      topic.length,
      numbers(BigInt64Array, big("offset", (index) => index)),
      numbers(BigInt64Array, big("timestamp", () => -1)),
      ...column(records.map((record) => record.key)),
      ...column(records.map((record) => record.value)),
      headers.length ? numbers(Uint32Array, records.map((record) => record.headers?.length ?? 0)) : 0,
      headers.length,
      ...column(headers.map(([name]) => name)),
      ...column(headers.map(([, value]) => value)),
    ];
    this.#place(size);
    const base = this.#input;
    // of the table, all but numbers of things are addresses
    const counts = new Set([0, 1, 3, 8, 11, 13, 16, 19]);
    const absolute = table.map((number, index) => (counts.has(index) || (index === 12 && !number) ? number : number + base));
    const memory = new Uint8Array(this.#door.memory.buffer);
    memory.set(new Uint8Array(Uint32Array.from(absolute).buffer), base);
    for (const [at, bytes] of parts) memory.set(bytes, base + at);
  }

  #place(size) {
    if (size > this.#room) {
      this.#input = this.#call(() => this.#door.edgemill_alloc(size)) >>> 0;
      if (!this.#input) throw new Error("the module has no memory for its input");
      this.#room = size;
    }
    return new Uint8Array(this.#door.memory.buffer, this.#input, size);
  }

  /** A trap's message is what the module logged before it. */
  #call(call) {
    try {
      return call();
    } catch (trap) {
      const last = this.#log.at(-1);
      throw new Error(last ? `${trap.message}: ${last.message}` : trap.message, { cause: trap });
    }
  }

  #view() {
    return new DataView(this.#door.memory.buffer);
  }

  #u32(at) {
    return this.#view().getUint32(at, true);
  }

  #aligned(...addresses) {
    const wrong = addresses.find((address) => address % 8);
    if (wrong) throw new Error(`a table or an array at ${wrong} is not at a multiple of 8`);
  }

  #text(at, size) {
    return Buffer.from(this.#door.memory.buffer, at >>> 0, size >>> 0).toString();
  }

  #column(at, count) {
    const [lengths, end] = [this.#u32(at), this.#u32(at + 8)];
    this.#aligned(lengths);
    let data = this.#u32(at + 4);
    const items = [];
    for (let index = 0; index < count; index++) {
      const length = this.#view().getInt32(lengths + 4 * index, true);
      items.push(length < 0 ? null : plain(Buffer.from(this.#door.memory.buffer.slice(data, data + length))));
      data += Math.max(length, 0);
    }
    if (data !== this.#u32(at + 4) + end) throw new Error("the lengths of a column do not add up to its size");
    return items;
  }
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text where bytes are text. */
function plain(bytes) {
  if (bytes === null || typeof bytes === "string") return bytes;
  try {
    return strict.decode(bytes);
  } catch {
    return new Uint8Array(bytes);
  }
}
