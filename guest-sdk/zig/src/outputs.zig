//! What a transform gives, gathered as columns. A column that nobody set is left to the host ("keep" in the contract).

const std = @import("std");
const layout = @import("layout.zig");
const records = @import("record.zig");
const Array = @import("column.zig").Array;
const Column = @import("column.zig").Column;
const noMemory = @import("column.zig").noMemory;

/// What an output can set.
const Part = enum { key, value, timestamp, headers, route };
const Parts = std.EnumSet(Part);

/// What becomes of a record.
pub const Outputs = struct {
    gpa: std.mem.Allocator,
    scratch: std.heap.ArenaAllocator,
    batch: *const layout.Batch = undefined,
    at: records.Cursor = .{},
    touched: Parts = .empty,
    current: Output = .{},
    origins: Array(u32) = .{},
    timestamps: Array(i64) = .{},
    keys: Column,
    values: Column,
    header_counts: Array(u32) = .{},
    header_names: Column,
    header_values: Column,
    routes: Array(u16) = .{},
    route_names: Column,
    reject_origins: Array(u32) = .{},
    reject_codes: Column,
    reject_messages: Column,

    /// Lets the record pass as it is. A transform that does only this moves no bytes.
    pub fn keep(out: *Outputs) void {
        _ = out.emit();
    }

    /// Begins an output: the record with what is set on it, until the next output begins or the transform returns.
    pub fn emit(out: *Outputs) *Output {
        out.finish();
        out.current = .{ .open = true };
        return &out.current;
    }

    /// Writes the value of the output that was begun last, or of a new one where none was. An output whose value was
    /// set is written on.
    pub fn writer(out: *Outputs) *std.Io.Writer {
        if (!out.current.open) _ = out.emit();
        return out.current.writer();
    }

    /// Refuses the record: what it gave is withheld. `code` is a short word of the transform's own, for metrics and for
    /// filtering dead letters; the message is for a person. Returns the error to be returned.
    pub fn reject(out: *Outputs, code: []const u8, comptime format: []const u8, arguments: anytype) error{Rejected} {
        // a record is rejected once, for the first reason
        if (!out.isRejected()) {
            out.reject_origins.push(out.gpa, @intCast(out.at.index));
            out.reject_codes.print("{s}", .{code});
            out.reject_messages.print(format, arguments);
        }
        return error.Rejected;
    }

    /// Memory that is taken back when the transform returns: nothing need be freed.
    pub fn arena(out: *Outputs) std.mem.Allocator {
        return out.scratch.allocator();
    }

    pub fn init(gpa: std.mem.Allocator) Outputs {
        return .{
            .gpa = gpa,
            .scratch = .init(gpa),
            .keys = .init(gpa),
            .values = .init(gpa),
            .header_names = .init(gpa),
            .header_values = .init(gpa),
            .route_names = .init(gpa),
            .reject_codes = .init(gpa),
            .reject_messages = .init(gpa),
        };
    }

    pub fn deinit(out: *Outputs) void {
        out.scratch.deinit();
        inline for (.{ "origins", "timestamps", "header_counts", "routes", "reject_origins" }) |name| @field(out, name).deinit(out.gpa);
        inline for (columns) |name| @field(out, name).deinit();
    }

    const columns = .{ "keys", "values", "header_names", "header_values", "route_names", "reject_codes", "reject_messages" };

    /// Begins with a batch.
    pub fn start(out: *Outputs, batch: *const layout.Batch) void {
        inline for (.{ "origins", "timestamps", "header_counts", "routes", "reject_origins" }) |name| @field(out, name).clear();
        inline for (columns) |name| @field(out, name).clear();
        out.batch = batch;
        out.at = .{};
        out.touched = .empty;
        out.current = .{};
    }

    /// Ends with a record.
    pub fn next(out: *Outputs) void {
        out.finish();
        out.at.advance(out.batch);
        _ = out.scratch.reset(.{ .retain_with_limit = 64 << 10 });
    }

    pub fn isRejected(out: *const Outputs) bool {
        const origins = out.reject_origins.list.items;
        return origins.len > 0 and origins[origins.len - 1] == out.at.index;
    }

    /// The outputs of the batch.
    pub fn table(out: *const Outputs) layout.Outputs {
        var result: layout.Outputs = .{
            .count = out.origins.len(),
            .origins = out.origins.address(),
            .header_names = out.header_names.view(),
            .header_values = out.header_values.view(),
            .route_count = out.route_names.lengths.len(),
            .route_names = out.route_names.view(),
            .reject_count = out.reject_origins.len(),
            .reject_origins = out.reject_origins.address(),
            .reject_codes = out.reject_codes.view(),
            .reject_messages = out.reject_messages.view(),
        };
        if (out.touched.contains(.key)) result.keys = out.keys.view();
        if (out.touched.contains(.value)) result.values = out.values.view();
        if (out.touched.contains(.timestamp)) result.timestamps = out.timestamps.address();
        if (out.touched.contains(.headers)) {
            result.header_counts = out.header_counts.address();
            result.header_total = out.header_names.lengths.len();
        }
        if (out.touched.contains(.route)) result.routes = out.routes.address();
        return result;
    }

    fn finish(out: *Outputs) void {
        if (!out.current.open) return;
        if (out.current.writing) out.values.close();
        inline for (comptime std.enums.values(Part)) |part| {
            if (out.touched.contains(part)) {
                if (!out.current.set.contains(part)) out.keepPart(part, &out.at) else if (part == .headers)
                    out.header_counts.push(out.gpa, out.current.headers);
            }
        }
        out.origins.push(out.gpa, @intCast(out.at.index));
        out.current = .{};
    }

    /// Gives a column what an origin has.
    fn keepPart(out: *Outputs, part: Part, at: *const records.Cursor) void {
        const batch = out.batch;
        switch (part) {
            .key => out.keys.push(records.item(&batch.keys, at.index, at.key)),
            .value => out.values.push(records.item(&batch.values, at.index, at.value)),
            .timestamp => out.timestamps.push(out.gpa, batch.timestamps.?[at.index]),
            .headers => out.header_counts.push(out.gpa, out.keepHeaders(at)),
            .route => out.routes.push(out.gpa, 0),
        }
    }

    fn keepHeaders(out: *Outputs, at: *const records.Cursor) u32 {
        var headers = at.headers(out.batch);
        while (headers.next()) |one| {
            out.header_names.push(one.name);
            out.header_values.push(one.value);
        }
        return out.batch.headersOf(at.index);
    }

    /// Takes the last headers back, and gives copies of them.
    fn takeHeaders(out: *Outputs, count: u32) []const records.Header {
        const taken = out.arena().alloc(records.Header, count) catch noMemory();
        var index = taken.len;
        while (index > 0) : (index -= 1) {
            const name = out.header_names.takeLast() orelse "";
            const value = out.header_values.takeLast();
            taken[index - 1] = .{
                .name = out.arena().dupe(u8, name) catch noMemory(),
                .value = if (value) |some| out.arena().dupe(u8, some) catch noMemory() else null,
            };
        }
        return taken;
    }

    /// The number of a route's name in this batch, from 1.
    fn routeNumber(out: *Outputs, topic: []const u8) u16 {
        const lengths = out.route_names.lengths.list.items;
        var at: usize = 0;
        for (lengths, 1..) |length, number| {
            const size: usize = @intCast(length);
            if (std.mem.eql(u8, out.route_names.bytes.writer.buffer[at..][0..size], topic)) return @intCast(number);
            at += size;
        }
        if (lengths.len == std.math.maxInt(u16)) @panic("a batch has more than 65535 routes");
        out.route_names.push(topic);
        return @intCast(lengths.len + 1);
    }

    /// A column is set for the first time in this batch: the outputs before have what their origins had.
    fn touch(out: *Outputs, part: Part) void {
        if (out.touched.contains(part)) return;
        out.touched.insert(part);
        var at: records.Cursor = .{};
        for (out.origins.list.items) |origin| {
            while (at.index < origin) at.advance(out.batch);
            out.keepPart(part, &at);
        }
    }
};

/// An output that was begun. It is a field of `Outputs`, and good until the next begins.
pub const Output = struct {
    set: Parts = .empty,
    headers: u32 = 0,
    open: bool = false,
    /// Bytes are being added to the value.
    writing: bool = false,

    /// Null is Kafka's null, here and below.
    pub fn setKey(output: *Output, bytes: ?[]const u8) void {
        const out = output.begin(.key);
        if (output.set.contains(.key)) out.keys.pop();
        output.set.insert(.key);
        out.keys.push(bytes);
    }

    pub fn setValue(output: *Output, bytes: ?[]const u8) void {
        const out = output.begin(.value);
        if (output.set.contains(.value)) out.values.pop();
        output.set.insert(.value);
        output.writing = false;
        out.values.push(bytes);
    }

    /// Adds to the value, which is empty at first: `try output.writer().print("{d}", .{number})`.
    pub fn writer(output: *Output) *std.Io.Writer {
        if (!output.set.contains(.value)) output.setValue("");
        output.writing = true;
        return &output.all().values.bytes.writer;
    }

    /// Adds JSON of anything that `std.json` writes to the value.
    pub fn writeJson(output: *Output, anything: anytype) std.Io.Writer.Error!void {
        return std.json.Stringify.value(anything, .{}, output.writer());
    }

    /// Milliseconds since 1970-01-01 UTC; null is none.
    pub fn setTimestamp(output: *Output, milliseconds: ?i64) void {
        const out = output.begin(.timestamp);
        if (output.set.contains(.timestamp)) out.timestamps.list.items.len -= 1;
        output.set.insert(.timestamp);
        out.timestamps.push(out.gpa, milliseconds orelse -1);
    }

    /// Adds a header behind those there are.
    pub fn addHeader(output: *Output, name: []const u8, bytes: ?[]const u8) void {
        const out = output.ownHeaders();
        out.header_names.push(name);
        out.header_values.push(bytes);
        output.headers += 1;
    }

    /// Removes all headers of a name.
    pub fn removeHeader(output: *Output, name: []const u8) void {
        const out = output.ownHeaders();
        const old = out.takeHeaders(output.headers);
        output.headers = 0;
        for (old) |one| {
            if (std.mem.eql(u8, one.name, name)) continue;
            out.header_names.push(one.name);
            out.header_values.push(one.value);
            output.headers += 1;
        }
    }

    /// Sends the output to a topic that the pipeline's sink declares.
    pub fn setRoute(output: *Output, topic: []const u8) void {
        const out = output.begin(.route);
        if (output.set.contains(.route)) out.routes.list.items.len -= 1;
        output.set.insert(.route);
        out.routes.push(out.gpa, out.routeNumber(topic));
    }

    fn all(output: *Output) *Outputs {
        return @alignCast(@fieldParentPtr("current", output));
    }

    fn begin(output: *Output, part: Part) *Outputs {
        const out = output.all();
        out.touch(part);
        return out;
    }

    fn ownHeaders(output: *Output) *Outputs {
        const out = output.begin(.headers);
        if (!output.set.contains(.headers)) output.headers = out.keepHeaders(&out.at);
        output.set.insert(.headers);
        return out;
    }
};
