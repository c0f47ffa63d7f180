// Readers of configurations.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as c from "edgemill-guest/config";

const read = c.object({
  name: c.text(),
  share: c.optional(c.number({ min: 0, max: 1 }), 0.5),
  most: c.optional(c.integer({ min: 1 })),
  mode: c.optional(c.oneOf("fast", "safe"), "safe"),
  on: c.optional(c.boolean(), true),
  rules: c.optional(c.list(c.object({ from: c.text() })), []),
});

test("what fits is read", () => {
  assert.deepEqual(read({ name: "n" }), { name: "n", share: 0.5, most: undefined, mode: "safe", on: true, rules: [] });
  const full = { name: "n", share: 1, most: 3, mode: "fast", on: false, rules: [{ from: "a" }] };
  assert.deepEqual(read(full), full);
});

test("what does not fit is named", () => {
  const wrong = [
    [null, "the configuration must be an object, not null"],
    [{}, "the configuration has no name"],
    [{ name: 1 }, "name must be text, not a number"],
    [{ name: "n", share: 2 }, "share must be at most 1"],
    [{ name: "n", most: 1.5 }, "most must be a whole number, not 1.5"],
    [{ name: "n", most: 0 }, "most must be at least 1"],
    [{ name: "n", mode: "slow" }, "mode must be one of fast, safe"],
    [{ name: "n", on: "yes" }, "on must be true or false, not text"],
    [{ name: "n", rules: [{ from: "a" }, { from: null }] }, "rules.1.from must be text, not null"],
    [{ name: "n", nome: "n" }, "the configuration has a field that nobody knows: nome"],
  ];
  for (const [value, message] of wrong) assert.throws(() => read(value), { message });
});
