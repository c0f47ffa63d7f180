//! Makes the text of every record loud. A place to begin: change it into what you need.

const std = @import("std");
const edgemill = @import("edgemill");

/// What stands in the pipeline's configuration: `config = { mark = "!" }`.
const Config = struct { mark: []const u8 = "!" };

pub const Transform = struct {
    mark: []const u8,

    pub fn configure(config: ?Config) !Transform {
        return .{ .mark = (config orelse Config{}).mark };
    }

    pub fn transform(self: *Transform, record: *const edgemill.Record, out: *edgemill.Outputs) !void {
        const value = record.value orelse return out.keep();
        if (value.len == 0) return out.reject("empty", "the value is empty", .{});
        const writer = out.writer();
        for (value) |byte| try writer.writeByte(std.ascii.toUpper(byte));
        try writer.writeAll(self.mark);
    }
};

test "text becomes loud" {
    var harness: edgemill.testing.Harness(@This()) = try .init(std.testing.allocator, "{\"mark\":\"?\"}");
    defer harness.deinit();
    const results = try harness.run(&.{ .{ .value = "hello" }, .{ .value = "" } });
    try std.testing.expectEqualStrings("HELLO?", results.outputs[0].value.?);
    try std.testing.expectEqualStrings("empty", results.rejects[0].code);
}
