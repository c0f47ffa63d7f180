// The conformance transform in TypeScript: see guest-sdk/conformance/README.md.

import { defineTransform, log, Reject } from "edgemill-guest";
import type { InputRecord, Outputs } from "edgemill-guest";
import { integer, object, optional, text } from "edgemill-guest/config";

interface Config {
  mark: string;
  limit: number;
}

const read = object({ mark: text(), limit: optional(integer(), 100) });

const SPACE = " ".charCodeAt(0);
const MARK = "!".charCodeAt(0);
const decoder = new TextDecoder();
const utf8 = (bytes: Uint8Array) => decoder.decode(bytes);

export default defineTransform<Config>({
  configure(config) {
    const { mark, limit } = config === null ? { mark: "none", limit: 100 } : read(config);
    if (limit <= 0) throw new Error("limit must be above 0");
    return { mark, limit };
  },

  transform(record, out, config) {
    const { value } = record;
    if (value === null || value[0] !== MARK) return out.keep();
    const [word, rest] = split(value.subarray(1));
    const command = commands[utf8(word)];
    if (command === undefined) throw new Reject("unknown-command", utf8(word));
    command({ record, out, config, rest });
  },
});

interface Call {
  record: InputRecord;
  out: Outputs;
  config: Config;
  rest: Uint8Array;
}

const commands: { [word: string]: ((call: Call) => void) | undefined } = {
  __proto__: null as never,
  keep: ({ out }) => out.keep(),
  drop: () => {},
  value: ({ out, rest }) => out.emit({ value: rest }),
  null: ({ out }) => out.emit({ value: null }),
  key: ({ out, rest }) => out.emit({ key: rest }),
  nokey: ({ out }) => out.emit({ key: null }),
  time: ({ out, rest }) => out.emit({ timestamp: whole(rest) }),
  header: ({ record, out, rest }) => out.emit({ headers: [...record.headers, split(rest)] }),
  nullheader: ({ record, out, rest }) => out.emit({ headers: [...record.headers, [rest, null]] }),
  unheader: ({ record, out, rest }) => {
    const name = utf8(rest);
    out.emit({ headers: record.headers.filter((header) => header.name !== name) });
  },
  route: ({ out, rest }) => out.emit({ route: utf8(rest) }),
  twice: ({ out }) => {
    out.keep();
    out.emit({ value: "again" });
  },
  many: ({ out, rest, config: { limit } }) => {
    const count = whole(rest);
    if (count > limit) throw new Reject("too-many", `${count} is over the limit of ${limit}`);
    for (let index = 0; index < count; index++) out.emit({ value: String(index) });
  },
  long: ({ out, rest }) => out.emit({ value: "x".repeat(Number(whole(rest))) }),
  all: ({ record, out, rest }) =>
    out.emit({ key: "k", value: rest, timestamp: 7, headers: [...record.headers, ["h", "v"]], route: "audit" }),
  reject: ({ rest }) => {
    throw rejected(rest);
  },
  late: ({ out, rest }) => {
    out.keep();
    throw rejected(rest);
  },
  log: ({ out, rest }) => {
    const [level, message] = split(rest);
    const name = utf8(level);
    if (!isLevel(name)) throw new Reject("unknown-level", name);
    log[name](utf8(message));
    out.keep();
  },
  tell: ({ record, out }) => {
    const { topic, partition, offset, timestamp } = record;
    out.emit({ value: `${topic} ${partition} ${offset} ${timestamp ?? "-"} ${record.keyText() ?? "-"}` });
  },
  headers: ({ record, out }) => {
    out.emit({ value: record.headers.map((header) => `${header.name}=${header.text() ?? "-"}`).join(",") });
  },
  last: ({ record, out, rest }) => {
    const name = utf8(rest);
    const header = record.header(name);
    if (header === undefined) throw new Reject("no-header", `there is no header ${name}`);
    out.emit({ value: header.value });
  },
  mark: ({ out, config }) => out.emit({ value: config.mark }),
  trap: () => {
    throw new Error("as it was told");
  },
  loop: () => {
    for (;;);
  },
  grow: () => {
    const all: Uint8Array[] = [];
    for (;;) all.push(new Uint8Array(1 << 20).fill(1));
  },
};

/** What stands before the first space, and behind it. */
function split(bytes: Uint8Array): [Uint8Array, Uint8Array] {
  const end = bytes.indexOf(SPACE);
  return end < 0 ? [bytes, new Uint8Array()] : [bytes.subarray(0, end), bytes.subarray(end + 1)];
}

function whole(bytes: Uint8Array): bigint {
  const digits = utf8(bytes);
  if (!/^-?\d+$/.test(digits)) throw new Reject("not-a-number", digits);
  return BigInt(digits);
}

function rejected(rest: Uint8Array): Reject {
  const [code, message] = split(rest);
  return new Reject(utf8(code), utf8(message));
}

function isLevel(name: string): name is keyof typeof log {
  return Object.hasOwn(log, name);
}
