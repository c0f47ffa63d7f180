// The SDK's own tests, under Node. The conformance suite tests the rest.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { load } from "edgemill/testing";

const conformance = "build/conformance.wasm";

test("what is not set stays, and of headers what is removed goes", async () => {
  const harness = await load(conformance);
  const headers = [["h", "1"], ["g", null], ["h", "3"]];
  const { outputs, rejects } = harness.run([
    { value: "a", key: "k", timestamp: 5 },
    { value: "!unheader h", headers },
    { value: "!late c why" },
    { value: "!all v w", timestamp: 1 },
    {},
  ]);
  assert.deepEqual(outputs, [
    { origin: 0, key: "k", value: "a", headers: [], timestamp: 5, topic: null },
    { origin: 1, key: null, value: "!unheader h", headers: [["g", null]], timestamp: -1, topic: null },
    { origin: 3, key: "k", value: "v w", headers: [["h", "v"]], timestamp: 7, topic: "audit" },
    { origin: 4, key: null, value: null, headers: [], timestamp: -1, topic: null },
  ]);
  assert.deepEqual(rejects, [{ origin: 2, code: "c", message: "why" }]);
});

test("bytes that are no text pass, and are replaced in a message", async () => {
  const harness = await load(conformance);
  const value = Uint8Array.of(0, 255, 10);
  const wrong = Buffer.from("!reject c \xff\xc3\xfc\xed\xa0\x80 \xc3\xbc", "latin1");
  const { outputs, rejects } = harness.run([{ value, key: value }, { value: wrong }]);
  assert.deepEqual([outputs[0].key, outputs[0].value], [value, value]);
  assert.equal(rejects[0].message, "\ufffd".repeat(6) + " ü");
});

test("a configuration that does not fit is refused with its field", async () => {
  for (const [config, why] of [
    [{ mark: "m", limit: 0 }, /^limit must be above 0$/],
    [{ limit: 1 }, /^the configuration has no mark$/],
    [{ mark: 7 }, /^mark must be text$/],
    [{ mark: "m", limit: 1.5 }, /^limit must be a whole number$/],
    [[], /^the configuration must be an object$/],
  ]) {
    await assert.rejects(load(conformance, config), { message: why });
  }
  const harness = await load(conformance, { mark: "Zür\u0001ich\n🛫" });
  assert.equal(harness.run([{ value: "!mark" }]).outputs[0].value, "Zür\u0001ich\n🛫");
});

test("an exception traps with its message and its place", async () => {
  const harness = await load(conformance);
  assert.throws(() => harness.run([{ value: "!trap" }]), /conformance\.ts:\d+:\d+: as it was told/);
});

test("memory does not grow with records", async () => {
  const harness = await load(conformance);
  const records = ["!headers", "!tell", "!value x", "!many 9", "!reject c m", "!unheader h", "a"].map((value) => ({ value, headers: [["h", "v"]] }));
  const pass = () => {
    for (let turn = 0; turn < 3000; turn++) harness.run(records);
  };
  pass();
  const before = harness.memory;
  pass();
  assert.equal(harness.memory, before);
});

test("JSON is read as it is written, and refused where it is none", async () => {
  const harness = await load("build/reader.wasm");
  const good = [
    [' {"a": "Z\\u00fc\\ud83d\\udeeb\\n\\/", "b" : [1, {"c":-2.5e1}, true,null, []] } ', "{a=Zü🛫\n/;b=[i1;{c=f-25.0;;true;null;[;;"],
    ["-9223372036854775808", "i-9223372036854775808"],
    ["9223372036854775808", "f9223372036854776000.0"],
  ];
  const { outputs } = harness.run(good.map(([value]) => ({ value })));
  assert.deepEqual(outputs.map((output) => output.value), good.map(([, text]) => `${text}!`));
  assert.deepEqual([outputs[0].key, outputs[0].timestamp, outputs[0].topic], ["k", 2, "there"]);
  const wrong = ["", "{", "{}x", '{"a"}', '{"a":}', "[1,]", '"\\"', '{"a":1,}', "nul", "-", "1 2", "9e", "01", '"\t"', '"\\ug000"', "[".repeat(100)];
  assert.equal(harness.run(wrong.map((value) => ({ value }))).rejects.length, wrong.length);
});

test("lines of the source are put into a module once, and what is none stays as it is", async () => {
  const [folder, lines] = [await mkdtemp(join(tmpdir(), "lines-")), "node_modules/edgemill/lines.js"];
  const [module, text] = [join(folder, "conformance.wasm"), join(folder, "text.wasm")];
  try {
    await copyFile(conformance, module);
    await copyFile(`${conformance}.map`, `${module}.map`);
    execFileSync(process.execPath, [lines, module]);
    assert.deepEqual(await readFile(module), await readFile(conformance));
    assert.ok((await readFile(module)).includes(".debug_line"));
    await writeFile(text, "no module");
    await writeFile(`${text}.map`, "{}");
    const { status, stderr } = spawnSync(process.execPath, [lines, text, join(folder, "none.wasm")], { encoding: "utf8" });
    assert.equal(status, 1);
    assert.match(stderr, /text\.wasm: it is no WebAssembly\n.*none\.wasm: ENOENT/);
    assert.equal(await readFile(text, "utf8"), "no module");
  } finally {
    await rm(folder, { recursive: true });
  }
});
