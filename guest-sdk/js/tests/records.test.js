// What a transform reads and writes, through the columns.

import assert from "node:assert/strict";
import { test } from "node:test";
import { defineTransform, log, Reject } from "edgemill-guest";
import { harness } from "edgemill-guest/testing";
import { Columns } from "../src/outputs.js";
import { Batch } from "../src/record.js";

const bytes = (...items) => Uint8Array.from(items);
const run = (transform, records, options) => harness(defineTransform(transform), options).run(records);

test("a record is read as it is", () => {
  const seen = [];
  const record = { key: "k", value: "v", headers: [["a", "1"], ["b", null], ["a", "3"]], timestamp: 2n ** 62n };
  run((record) => seen.push(record), [record, {}, { value: bytes(0xff) }], { topic: "t", partition: 3 });
  const [full, empty, binary] = seen;
  assert.deepEqual([full.topic, full.partition, full.offset, full.timestamp], ["t", 3, 0n, 2n ** 62n]);
  assert.deepEqual([full.keyText(), full.text(), full.header("a").text()], ["k", "v", "3"]);
  assert.deepEqual(full.headers.map(({ name, value }) => [name, value]), [["a", bytes(0x31)], ["b", null], ["a", bytes(0x33)]]);
  assert.deepEqual([empty.key, empty.value, empty.text(), empty.timestamp, empty.offset], [null, null, null, null, 1n]);
  assert.deepEqual([empty.headers, empty.header("a")], [[], undefined]);
  assert.deepEqual(binary.value, bytes(0xff));
  assert.throws(() => binary.text(), { code: "not-utf8" });
});

test("text is the same in columns that are ascii and that are not", () => {
  for (const values of [["a", "", "bc"], ["ä", "", "b東🛫", "c"], ["\ufeffa", "b"]]) {
    assert.deepEqual(run((record, out) => out.emit({ value: record.text() }), values).texts, values);
  }
  // an item that ends within a character is not text, although its column is
  const halves = [bytes(0xc3), bytes(0xa4)];
  assert.deepEqual(run((record) => record.text(), halves).codes, ["not-utf8", "not-utf8"]);
});

test("json is parsed, or refused", () => {
  const results = run((record, out) => out.emit({ value: String(record.json()?.a) }), ['{"a":1}', "{", "null"]);
  assert.deepEqual(results.texts, ["1", "undefined"]);
  assert.deepEqual(results.codes, ["not-json"]);
});

test("columns that nothing was set in are not given", () => {
  const none = { data: new Uint8Array(), lengths: new Int32Array() };
  const column = { data: bytes(0x61, 0x62), lengths: Int32Array.of(1, 1) };
  const raw = { topic: "t", partition: 0, offsets: BigInt64Array.of(0n, 1n), timestamps: BigInt64Array.of(1n, 1n), keys: column, values: column };
  const batch = new Batch({ ...raw, headers: { counts: new Uint32Array(), names: none, values: none } });
  const kept = new Columns().run(batch, (record, out) => (record.text() === "b" ? out.keep() : undefined));
  assert.deepEqual(kept.origins, Uint32Array.of(1));
  assert.deepEqual([kept.keys, kept.values, kept.timestamps, kept.headers, kept.routes.length], [undefined, undefined, undefined, undefined, 0]);
  const set = new Columns().run(batch, (record, out) => out.emit({ value: "x" }));
  assert.deepEqual([set.keys, set.values.lengths, set.timestamps], [undefined, Int32Array.of(1, 1), undefined]);
});

test("what is set late reaches only its own output", () => {
  const records = [{ key: "1", value: "a", timestamp: 5, headers: [["h", "x"]] }, { value: "b" }, { key: "3", value: "c" }];
  const { outputs } = run((record, out) => {
    if (record.text() !== "b") return out.keep();
    out.keep();
    out.emit({ key: null, value: "B", timestamp: 9n, headers: [...record.headers, ["n", null]], route: "r" });
    out.emit({});
  }, records);
  const shown = outputs.map((o) => [o.origin, o.keyText(), o.text(), o.timestamp, o.headers.length, o.route]);
  assert.deepEqual(shown, [
    [0, "1", "a", 5n, 1, null],
    [1, null, "b", null, 0, null],
    [1, null, "B", 9n, 1, "r"],
    [1, null, "b", null, 0, null],
    [2, "3", "c", null, 0, null],
  ]);
});

test("outputs of a rejected record are withheld, with all their columns", () => {
  const results = run((record, out) => {
    out.emit({ key: "k", value: record.text() + "!", timestamp: 1, headers: [["h", "v"], ["i", null]], route: record.text() });
    if (record.text() === "bad") throw new Reject("bad", "no");
  }, ["a", "bad", "b"]);
  assert.deepEqual(results.outputs.map((o) => [o.text(), o.headers.length, o.route]), [["a!", 2, "a"], ["b!", 2, "b"]]);
  assert.deepEqual(results.rejects, [{ origin: 1, code: "bad", message: "no" }]);
});

test("columns are the same in a second, smaller batch", () => {
  const made = harness(defineTransform((record, out) => out.emit({ value: record.text() + record.text() })));
  const long = "x".repeat(3 << 20);
  assert.deepEqual(made.run([long, "b"]).texts, [long + long, "bb"]);
  assert.deepEqual(made.run(["c"]).texts, ["cc"]);
  assert.deepEqual(made.run(Array(5000).fill("d")).texts, Array(5000).fill("dd"));
});

test("an error is a fault, and logged with its place", () => {
  const made = harness(defineTransform(() => { throw new TypeError("oh"); }));
  assert.throws(() => made.run(["a"]), { name: "TypeError", message: "oh" });
  assert.throws(() => harness(defineTransform(async () => {})).run(["a"]), /cannot be async/);
  assert.throws(() => run((_, out) => out.emit({ valve: "x" }), ["a"]), /an output has no valve/);
  assert.throws(() => run((_, out) => out.emit({ value: 7 }), ["a"]), /expected text/);
  assert.throws(() => run((_, out) => out.emit({ timestamp: 2n ** 63n }), ["a"]), /more than 64 bits/);
});

test("an output that was half written is a fault, although somebody catches the error", () => {
  const careless = (record, out) => {
    try {
      out.emit({ value: "x", route: 7 });
    } catch {
      out.keep();
    }
  };
  assert.throws(() => run(careless, ["a"]), /went on after emit had thrown/);
});

test("messages are logged", () => {
  const results = run((_, out) => { log.info("hello"); log.error("oh"); out.keep(); }, ["a"]);
  assert.deepEqual(results.log, [{ level: "info", message: "hello" }, { level: "error", message: "oh" }]);
});

test("a function takes no configuration", () => {
  assert.throws(() => run(() => {}, [], { config: {} }), { message: "this module takes no configuration" });
  assert.throws(() => defineTransform({}), TypeError);
});
