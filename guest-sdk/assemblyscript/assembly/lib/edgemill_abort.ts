// What an exception that nobody catches does: tells the host why and where, and traps.

// @ts-ignore: decorator
@external("edgemill:transform/log@1.0.0", "log")
declare function host_log(level: i32, text: usize, size: usize): void;

// @ts-ignore: decorator
@global
function edgemill_abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const place = file === null ? "" : file + ":" + line.toString() + ":" + column.toString() + ": ";
  const text = String.UTF8.encode(place + (message === null ? "gave up" : message));
  host_log(4, changetype<usize>(text), text.byteLength);
  unreachable();
}
