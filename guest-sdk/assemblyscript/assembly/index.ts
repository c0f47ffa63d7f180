/**
 * Write Edgemill transforms in AssemblyScript: a function over one record at a time.
 *
 * ```ts
 * import { Outputs, Record, run } from "edgemill/assembly";
 * export * from "edgemill/assembly/door";
 *
 * run((record: Record, out: Outputs): void => {
 *   const value = record.value;
 *   if (value == null) return out.keep();
 *   out.emit().setValue(value.toString().toUpperCase());
 * });
 * ```
 *
 * A record that leaves no output is dropped on purpose. What is not set on an output stays as the record has it. The host may
 * give the same record again after a fault, so a transform must not mind. docs/guests/assemblyscript.md goes from a file to
 * a running transform.
 */
export { Bytes } from "./bytes";
export { Config, Json, JsonKind } from "./config";
export { Header, Record } from "./record";
export { Output, Outputs } from "./outputs";
export { Transform, run, runWith } from "./transform";
export { Level, log } from "./log";
