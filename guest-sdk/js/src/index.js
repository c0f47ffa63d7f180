// Write Edgemill transforms in JavaScript or TypeScript: a transform is a function over one record at a time.
//
//     import { defineTransform } from "edgemill-guest";
//
//     export default defineTransform((record, out) => {
//       const text = record.text();
//       if (text === null) out.keep();
//       else out.emit({ value: text.toUpperCase() });
//     });
//
// docs/guests/javascript.md goes from nothing to a running transform; index.d.ts says what everything is.

export { log } from "./log.js";
export { Reject } from "./reject.js";

/** Checks a transform and gives it back; to be the default export of the module's source. */
export function defineTransform(transform) {
  const definition = typeof transform === "function" ? { transform } : transform;
  if (typeof definition?.transform !== "function") {
    throw new TypeError("defineTransform takes a function, or an object with a function `transform`");
  }
  if (definition.configure !== undefined && typeof definition.configure !== "function") {
    throw new TypeError("`configure` must be a function");
  }
  return definition;
}
