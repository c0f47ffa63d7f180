//! The host's side of a batch, for tests of transforms without Wasm.

const std = @import("std");
const layout = @import("layout.zig");
const logging = @import("log.zig");
const records = @import("record.zig");
const refusal = @import("refusal.zig");
const Column = @import("column.zig").Column;
const Runner = @import("runner.zig").Runner;

/// A record to pass.
pub const Input = struct {
    key: ?[]const u8 = null,
    value: ?[]const u8 = null,
    headers: []const records.Header = &.{},
    timestamp: ?i64 = null,
};

pub const Result = struct {
    /// Index of the record that it came of.
    origin: usize,
    key: ?[]const u8,
    value: ?[]const u8,
    headers: []const records.Header,
    timestamp: ?i64,
    /// Where it goes; null is where the record was going.
    topic: ?[]const u8,
};

pub const Reject = struct { origin: usize, code: []const u8, message: []const u8 };

pub const Results = struct {
    outputs: []const Result,
    rejects: []const Reject,
    log: []const logging.Message,
};

/// Why the last `Harness.init` failed with `error.Refused`.
pub fn refusedWith() []const u8 {
    return refusal.message(error.Refused);
}

/// Around a transform's file, `@This()` in its own tests:
///
/// ```zig
/// var harness: edgemill.testing.Harness(@This()) = try .init(std.testing.allocator, "null");
/// defer harness.deinit();
/// const results = try harness.run(&.{.{ .value = "hello" }});
/// try std.testing.expectEqualStrings("HELLO", results.outputs[0].value.?);
/// ```
pub fn Harness(comptime user: type) type {
    return struct {
        const Self = @This();

        runner: Runner(user),
        arena: std.heap.ArenaAllocator,
        topic: []const u8 = "topic",
        partition: i32 = 0,
        offset: i64 = 0,

        /// Configures the transform with JSON, as the host does.
        pub fn init(gpa: std.mem.Allocator, config: []const u8) !Self {
            return .{ .runner = try .init(gpa, config), .arena = .init(gpa) };
        }

        pub fn deinit(harness: *Self) void {
            harness.runner.deinit();
            harness.arena.deinit();
        }

        /// Passes records in one batch. What came is good until the next call.
        pub fn run(harness: *Self, inputs: []const Input) !Results {
            _ = harness.arena.reset(.retain_capacity);
            const arena = harness.arena.allocator();
            var messages: std.ArrayList(logging.Message) = .empty;
            logging.kept = &messages;
            logging.keeper = arena;
            defer logging.kept = null;

            const batch = try harness.batchOf(arena, inputs);
            const table = harness.runner.run(&batch);
            const rejects = try arena.alloc(Reject, table.reject_count);
            var codes: Items = .{ .column = &table.reject_codes };
            var texts: Items = .{ .column = &table.reject_messages };
            for (rejects, 0..) |*reject, index|
                reject.* = .{ .origin = table.reject_origins.?[index], .code = codes.next().?, .message = texts.next().? };
            return .{ .outputs = try outputsOf(arena, table, inputs, rejects), .rejects = rejects, .log = messages.items };
        }

        fn batchOf(harness: *Self, arena: std.mem.Allocator, inputs: []const Input) !layout.Batch {
            var keys: Column = .init(arena);
            var values: Column = .init(arena);
            var names: Column = .init(arena);
            var header_values: Column = .init(arena);
            const offsets = try arena.alloc(i64, inputs.len);
            const timestamps = try arena.alloc(i64, inputs.len);
            const counts = try arena.alloc(u32, inputs.len);
            for (inputs, offsets, timestamps, counts) |input, *offset, *timestamp, *count| {
                keys.push(input.key);
                values.push(input.value);
                offset.* = harness.offset;
                harness.offset += 1;
                timestamp.* = input.timestamp orelse -1;
                count.* = @intCast(input.headers.len);
                for (input.headers) |header| {
                    names.push(header.name);
                    header_values.push(header.value);
                }
            }
            return .{
                .count = @intCast(inputs.len),
                .partition = harness.partition,
                .topic = .of(harness.topic),
                .offsets = offsets.ptr,
                .timestamps = timestamps.ptr,
                .keys = keys.view(),
                .values = values.view(),
                .header_counts = if (names.lengths.len() == 0) null else counts.ptr,
                .header_total = names.lengths.len(),
                .header_names = names.view(),
                .header_values = header_values.view(),
            };
        }
    };
}

fn outputsOf(arena: std.mem.Allocator, table: *const layout.Outputs, inputs: []const Input, rejects: []const Reject) ![]const Result {
    var outputs: std.ArrayList(Result) = .empty;
    var keys: Items = .{ .column = &table.keys };
    var values: Items = .{ .column = &table.values };
    var names: Items = .{ .column = &table.header_names };
    var header_values: Items = .{ .column = &table.header_values };
    for (0..table.count) |index| {
        const origin = table.origins.?[index];
        const input = &inputs[origin];
        var result: Result = .{
            .origin = origin,
            .key = if (table.keys.lengths == null) input.key else keys.next(),
            .value = if (table.values.lengths == null) input.value else values.next(),
            .headers = input.headers,
            .timestamp = input.timestamp,
            .topic = null,
        };
        if (table.timestamps) |all| result.timestamp = if (all[index] == -1) null else all[index];
        if (table.header_counts) |counts| {
            const headers = try arena.alloc(records.Header, counts[index]);
            for (headers) |*header| header.* = .{ .name = names.next().?, .value = header_values.next() };
            result.headers = headers;
        }
        const route = if (table.routes) |routes| routes[index] else 0;
        var topics: Items = .{ .column = &table.route_names };
        for (0..route) |_| result.topic = topics.next();
        for (rejects) |reject| {
            // as the host does
            if (reject.origin == origin) break;
        } else try outputs.append(arena, result);
    }
    return outputs.items;
}

const Items = struct {
    column: *const layout.Column,
    index: usize = 0,
    at: usize = 0,

    fn next(items: *Items) ?[]const u8 {
        const item = records.item(items.column, items.index, items.at);
        items.index += 1;
        if (item) |bytes| items.at += bytes.len;
        return item;
    }
};
