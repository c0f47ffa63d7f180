/** How a module names its transform. */
import { Config } from "./config";
import { Outputs } from "./outputs";
import { Record } from "./record";

/** A transform with state. It is made once, of the configuration. */
export abstract class Transform {
  abstract transform(record: Record, out: Outputs): void;
}

/** Names the module's transform: a function without state. */
export function run(transform: (record: Record, out: Outputs) => void): void {
  ofFunction = transform;
}

/**
 * Names the function that makes the module's transform of its configuration. What the configuration lacks, and what
 * `config.refuse` is told, keeps the module from being deployed.
 */
export function runWith(make: (config: Config) => Transform): void {
  ofConfig = make;
}

let ofFunction: ((record: Record, out: Outputs) => void) | null = null;
let ofConfig: ((config: Config) => Transform) | null = null;
let made: Transform | null = null;

/** For the SDK: makes the transform. */
export function configure(config: Config): void {
  const make = ofConfig;
  if (make !== null) made = make(config);
  else if (ofFunction === null) config.refuse("the module names no transform: call run or runWith");
}

/** For the SDK: passes the record that stands in front, and those behind it. */
export function passAll(record: Record, out: Outputs, count: i32): void {
  const transform = ofFunction;
  if (transform !== null) {
    while (record.at.index < count) {
      transform(record, out);
      out.finish();
      record.at.advance(record.batch);
    }
    return;
  }
  const state = made!;
  while (record.at.index < count) {
    state.transform(record, out);
    out.finish();
    record.at.advance(record.batch);
  }
}
