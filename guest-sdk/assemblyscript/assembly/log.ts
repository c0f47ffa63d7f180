/** Messages to the host's log, which counts and limits them. */
import { given, put } from "./bytes";

export enum Level {
  trace,
  debug,
  info,
  warn,
  error,
}

// @ts-ignore: decorator
@external("edgemill:transform/log@1.0.0", "log")
declare function host_log(level: i32, text: usize, size: usize): void;

/** Logs a message: a text or Bytes. */
export function log<T>(level: Level, message: T): void {
  const size = put(message);
  host_log(level, given, max(size, 0));
}
