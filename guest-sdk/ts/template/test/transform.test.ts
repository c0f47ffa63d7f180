import assert from "node:assert/strict";
import { test } from "node:test";
import { harness } from "edgemill-guest/testing";
import loud from "../src/transform.ts";

test("text becomes loud", () => {
  const results = harness(loud, { config: { mark: "?" } }).run(["hello", ""]);
  assert.deepEqual(results.texts, ["HELLO?"]);
  assert.deepEqual(results.codes, ["empty"]);
});
