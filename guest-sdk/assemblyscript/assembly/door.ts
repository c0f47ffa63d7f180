/** The exports of the core door (docs/guests/core-door.md). */
import { given, put } from "./bytes";
import { Config } from "./config";
import { Outputs } from "./outputs";
import { At, Record } from "./record";
import { configure, passAll } from "./transform";

const record = new Record();
const outputs = new Outputs(record);
/** Why a configuration is refused: a text of the core door. */
const refusal: usize = memory.data(8, 16);

let input: usize = 0;
let room: usize = 0;

export function edgemill_alloc(size: usize): usize {
  if (size > room) {
    if (input) heap.free(input);
    input = heap.alloc(size);
    room = size;
  }
  return input;
}

export function edgemill_configure(text: usize, size: i32): usize {
  const config = Config.parse(text, size);
  configure(config);
  config.refuseUnknown();
  const problem = config.problem;
  if (problem === null) return 0;
  const length = put(problem);
  store<u32>(refusal, given);
  store<u32>(refusal, length, 4);
  return refusal;
}

export function edgemill_transform_1_0_0(batch: usize): usize {
  record.start(batch);
  outputs.start();
  passAll(record, outputs, load<i32>(batch, At.count));
  return outputs.describe();
}
