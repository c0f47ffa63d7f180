// A transform's own tests: they run its module under Node.
import assert from "node:assert/strict";
import test from "node:test";
import { load } from "edgemill/testing";

test("it passes, marks, drops and rejects", async () => {
  const transform = await load("build/conformance.wasm", { mark: "m" });
  const { outputs, rejects } = transform.run(["a", "!mark", "!drop", "!reject c why", "!many 2"].map((value) => ({ value })));
  assert.deepEqual(outputs.map((output) => output.value), ["a", "m", "0", "1"]);
  assert.deepEqual(rejects, [{ origin: 3, code: "c", message: "why" }]);
});
