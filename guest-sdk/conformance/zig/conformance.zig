//! The conformance transform in Zig: see guest-sdk/conformance/README.md.

const std = @import("std");
const edgemill = @import("edgemill");

const Config = struct { mark: []const u8, limit: i64 = 100 };

const Command = enum {
    keep,
    drop,
    value,
    null,
    key,
    nokey,
    time,
    header,
    nullheader,
    unheader,
    route,
    twice,
    many,
    long,
    all,
    reject,
    late,
    log,
    tell,
    headers,
    last,
    mark,
    trap,
    loop,
    grow,
};

pub const Transform = struct {
    mark: []const u8,
    limit: i64,

    pub fn configure(config: ?Config) !Transform {
        const given = config orelse return .{ .mark = "none", .limit = 100 };
        if (given.limit <= 0) return edgemill.refuse("limit must be above 0", .{});
        return .{ .mark = given.mark, .limit = given.limit };
    }

    pub fn transform(self: *Transform, record: *const edgemill.Record, out: *edgemill.Outputs) !void {
        const value = record.value orelse return out.keep();
        if (!std.mem.startsWith(u8, value, "!")) return out.keep();
        const word, const rest = split(value[1..]);
        const command = std.meta.stringToEnum(Command, word) orelse return out.reject("unknown-command", "{s}", .{word});
        switch (command) {
            .keep => out.keep(),
            .drop => {},
            .value => out.emit().setValue(rest),
            .null => out.emit().setValue(null),
            .key => out.emit().setKey(rest),
            .nokey => out.emit().setKey(null),
            .time => out.emit().setTimestamp(try number(rest, out)),
            .header => {
                const name, const bytes = split(rest);
                out.emit().addHeader(name, bytes);
            },
            .nullheader => out.emit().addHeader(rest, null),
            .unheader => out.emit().removeHeader(rest),
            .route => out.emit().setRoute(rest),
            .twice => {
                out.keep();
                out.emit().setValue("again");
            },
            .many => {
                const count = try number(rest, out);
                if (count > self.limit) return out.reject("too-many", "{d} is over the limit of {d}", .{ count, self.limit });
                var index: i64 = 0;
                while (index < count) : (index += 1) try out.emit().writer().print("{d}", .{index});
            },
            .long => try out.writer().splatByteAll('x', @intCast(try number(rest, out))),
            .all => {
                const output = out.emit();
                output.setKey("k");
                output.setValue(rest);
                output.setTimestamp(7);
                output.addHeader("h", "v");
                output.setRoute("audit");
            },
            .reject => return reject(rest, out),
            .late => {
                out.keep();
                return reject(rest, out);
            },
            .log => {
                const name, const message = split(rest);
                const level = if (std.mem.eql(u8, name, "error")) .err else std.meta.stringToEnum(edgemill.Level, name) orelse
                    return out.reject("unknown-level", "{s}", .{name});
                edgemill.log(level, "{s}", .{message});
                out.keep();
            },
            .tell => {
                const writer = out.writer();
                try writer.print("{s} {d} {d} ", .{ record.topic, record.partition, record.offset });
                if (record.timestamp) |timestamp| try writer.print("{d}", .{timestamp}) else try writer.writeByte('-');
                try writer.print(" {s}", .{record.key orelse "-"});
            },
            .headers => {
                const writer = out.writer();
                var headers = record.headers;
                while (headers.next()) |header| {
                    try writer.print("{s}={s}", .{ header.name, header.value orelse "-" });
                    if (headers.count() > 0) try writer.writeByte(',');
                }
            },
            .last => {
                const header = record.header(rest) orelse return out.reject("no-header", "there is no header {s}", .{rest});
                out.emit().setValue(header.value);
            },
            .mark => out.emit().setValue(self.mark),
            .trap => @panic("as it was told"),
            .loop => while (true) std.mem.doNotOptimizeAway(rest.len),
            .grow => while (true) std.mem.doNotOptimizeAway((try out.arena().alloc(u8, 1 << 20)).ptr),
        }
    }
};

/// What stands before the first space, and behind it.
fn split(bytes: []const u8) struct { []const u8, []const u8 } {
    const end = std.mem.indexOfScalar(u8, bytes, ' ') orelse return .{ bytes, "" };
    return .{ bytes[0..end], bytes[end + 1 ..] };
}

fn number(text: []const u8, out: *edgemill.Outputs) !i64 {
    return std.fmt.parseInt(i64, text, 10) catch out.reject("not-a-number", "{s}", .{text});
}

fn reject(rest: []const u8, out: *edgemill.Outputs) error{Rejected} {
    const code, const message = split(rest);
    return out.reject(code, "{s}", .{message});
}

test "it runs without Wasm" {
    const Harness = edgemill.testing.Harness(@This());
    var harness: Harness = try .init(std.testing.allocator, "{\"mark\":\"m\"}");
    defer harness.deinit();
    const results = try harness.run(&.{ .{ .value = "a" }, .{ .value = "!mark" }, .{ .value = "!drop" }, .{ .value = "!reject c why" } });
    try std.testing.expectEqual(2, results.outputs.len);
    try std.testing.expectEqualStrings("m", results.outputs[1].value.?);
    try std.testing.expectEqualStrings("c", results.rejects[0].code);
    try std.testing.expectError(error.Refused, Harness.init(std.testing.allocator, "{\"mark\":\"m\",\"limit\":0}"));
}
