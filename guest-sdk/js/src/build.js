// Builds a transform's source, and all that it imports, into one WebAssembly component.

import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";

const contract = fileURLToPath(new URL("../wit", import.meta.url));
const sdk = fileURLToPath(new URL("./door.js", import.meta.url));

/** What the engine brings that a transform cannot have: the host grants log, clock and random. */
const WITHOUT = ["stdio", "http", "fetch-event"];

export async function build(source, output) {
  // loaded here, so that tests of transforms need neither
  const [{ build: bundle }, { componentize }] = await Promise.all([import("esbuild"), import("@bytecodealliance/componentize-js")]);
  const made = await bundle({
    stdin: { contents: entry(resolve(source)), resolveDir: dirname(resolve(source)), sourcefile: "edgemill-entry.js" },
    bundle: true,
    write: false,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["import", "default"],
    target: "es2022",
    external: ["edgemill:*"],
    legalComments: "none",
    logLevel: "silent",
  });
  const folder = await mkdtemp(join(tmpdir(), "edgemill-guest-"));
  try {
    const sourcePath = join(folder, "transform.js");
    await writeFile(sourcePath, made.outputFiles[0].contents);
    const { component } = await componentize({ sourcePath, witPath: contract, worldName: "transform", disableFeatures: WITHOUT });
    // a running host takes what is renamed into its folder, and never half of it
    await mkdir(dirname(resolve(output)), { recursive: true });
    const unfinished = join(dirname(resolve(output)), `.${process.pid}.wasm.unfinished`);
    await writeFile(unfinished, component);
    await rename(unfinished, output);
    return component.length;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function entry(source) {
  return `
import { log } from "edgemill:transform/log@1.0.0";
import { door } from ${JSON.stringify(sdk)};
import definition from ${JSON.stringify(source)};
export const transformer = door(definition, log);
`;
}
