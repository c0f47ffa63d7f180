// AssemblyScript runs as Wasm only: the module itself, under Node, without a host.
import assert from "node:assert/strict";
import test from "node:test";
import { load } from "edgemill/testing";

test("text becomes loud", async () => {
  const loud = await load("build/{{name}}.wasm", { mark: "?" });
  const { outputs, rejects } = loud.run([{ value: "hello" }, { value: "" }]);
  assert.deepEqual(outputs.map((output) => output.value), ["HELLO?"]);
  assert.deepEqual(rejects.map((reject) => reject.code), ["empty"]);
});
