// The conformance transform without Wasm.

import assert from "node:assert/strict";
import { test } from "node:test";
import { harness } from "edgemill-guest/testing";
import conformance from "./conformance.ts";

test("it runs without wasm", () => {
  const results = harness(conformance, { config: { mark: "m" } }).run(["a", "!mark", "!drop", "!reject c why", "!many 2"]);
  assert.deepEqual(results.texts, ["a", "m", "0", "1"]);
  assert.deepEqual(results.rejects, [{ origin: 3, code: "c", message: "why" }]);
});

test("it refuses what does not fit", () => {
  assert.throws(() => harness(conformance, { config: { mark: "m", limit: 0 } }), { message: "limit must be above 0" });
  assert.throws(() => harness(conformance, { config: { limit: 2 } }), { message: "the configuration has no mark" });
  assert.throws(() => harness(conformance, { config: { mark: "m", limit: "two" } }), { message: "limit must be a whole number, not text" });
});
