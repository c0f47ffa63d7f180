#!/usr/bin/env node
// edgemill-guest build SOURCE [-o OUT] - builds a transform in JavaScript or TypeScript.

import { basename, extname } from "node:path";
import { parseArgs } from "node:util";
import { build } from "../src/build.js";

const USAGE = "usage: edgemill-guest build SOURCE [-o OUT]";

function fail(message, code) {
  console.error(message);
  process.exit(code);
}

let parsed;
try {
  parsed = parseArgs({ allowPositionals: true, options: { output: { type: "string", short: "o" }, help: { type: "boolean", short: "h" } } });
} catch (error) {
  fail(`${error.message}\n${USAGE}`, 2);
}
const { values, positionals } = parsed;
if (values.help) {
  console.log(`${USAGE}\n\nBuilds a transform (.js, .ts) and all that it imports into OUT, by default SOURCE with .wasm for its ending.`);
  process.exit(0);
}
if (positionals[0] !== "build" || positionals.length !== 2) fail(USAGE, 2);
const source = positionals[1];
const output = values.output ?? `${basename(source, extname(source))}.wasm`;
try {
  const size = await build(source, output);
  console.error(`${output}: ${(size / 1e6).toFixed(1)} MB`);
} catch (error) {
  fail(error.message, 1);
}
