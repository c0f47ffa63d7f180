//! Messages to the host's log, which counts and limits them.

const std = @import("std");
const builtin = @import("builtin");

const is_wasm = builtin.cpu.arch.isWasm();

pub const Level = enum(i32) { trace, debug, info, warn, err };

/// A message that a test sees.
pub const Message = struct { level: Level, text: []const u8 };

/// Natively: where messages are kept instead of being written to standard error.
pub threadlocal var kept: ?*std.ArrayList(Message) = null;
pub threadlocal var keeper: std.mem.Allocator = undefined;

/// Logs a message. `std.log` of a transform comes here too.
pub fn log(level: Level, comptime format: []const u8, arguments: anytype) void {
    const gpa = if (is_wasm) std.heap.wasm_allocator else std.heap.page_allocator;
    const text = gpa.print(format, arguments) catch return write(level, "there is no memory for a message");
    defer gpa.free(text);
    write(level, text);
}

pub fn write(level: Level, text: []const u8) void {
    if (is_wasm) return host.log(@backingInt(level), text.ptr, text.len);
    const messages = kept orelse return std.debug.print("{s}: {s}\n", .{ @tagName(level), text });
    messages.append(keeper, .{
        .level = level,
        .text = keeper.dupe(u8, text) catch @panic("there is no memory for a message"),
    }) catch @panic("there is no memory for a message");
}

/// As `std_options.logFn`.
pub fn standard(comptime level: std.log.Level, comptime scope: @EnumLiteral(), comptime format: []const u8, arguments: anytype) void {
    const prefix = if (scope == .default) "" else @tagName(scope) ++ ": ";
    log(switch (level) {
        .err => .err,
        .warn => .warn,
        .info => .info,
        .debug => .debug,
    }, prefix ++ format, arguments);
}

const host = struct {
    extern "edgemill:transform/log@1.0.0" fn log(level: i32, text: [*]const u8, size: usize) void;
};
