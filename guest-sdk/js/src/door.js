// The component door: what the host calls, made of a transform. It knows the contract's shape and no host.

import { log, logTo } from "./log.js";
import { Columns } from "./outputs.js";
import { Batch } from "./record.js";

/** What a call that ends with the contract's own error throws. */
const failure = (message) => ({ payload: message });

/**
 * Makes the exports `configure` and `transform` of a transform.
 *
 * @param definition What `defineTransform` gave.
 * @param write The host's function that logs; without it, log messages go where they went.
 */
export function door(definition, write) {
  if (write !== undefined) {
    logTo(write);
    logConsole();
  }
  if (typeof definition?.transform !== "function") {
    throw new TypeError("the source has no transform for its default export: write `export default defineTransform(…)`");
  }
  const columns = new Columns();
  let apply;
  return {
    configure(text) {
      const config = JSON.parse(text);
      try {
        if (definition.configure === undefined && config !== null) throw new Error("this module takes no configuration");
        const state = definition.configure?.(config);
        apply = (record, out) => definition.transform(record, out, state);
      } catch (error) {
        throw failure(error instanceof Error ? error.message : String(error));
      }
    },

    transform(raw) {
      if (apply === undefined) throw failure("transform was called before configure");
      try {
        return columns.run(new Batch(raw), apply);
      } catch (error) {
        // what nobody caught is a fault: the host tells the last error that was logged
        const fault = error instanceof Error ? error : new Error(String(error));
        log.error(described(fault));
        throw fault;
      }
    },
  };
}

function described(error) {
  const stack = String(error.stack ?? "").trim();
  // some engines begin the stack with the message
  return stack.includes(error.message) ? stack : `${error.name}: ${error.message}\n${stack}`.trim();
}

/** Sends what is written to the console to the host's log. */
function logConsole() {
  const text = (parts) => parts.map((part) => (typeof part === "string" ? part : shown(part))).join(" ");
  for (const [name, level] of [["trace", "trace"], ["debug", "debug"], ["log", "info"], ["info", "info"], ["warn", "warn"], ["error", "error"]]) {
    console[name] = (...parts) => log[level](text(parts));
  }
}

function shown(value) {
  if (value instanceof Error) return described(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
