//! The SDK's own tests, native: `zig build test`. The conformance suite tests the rest.

const std = @import("std");
const edgemill = @import("edgemill");
const conformance = @import("conformance");

const expect = std.testing.expect;
const expectEqualStrings = std.testing.expectEqualStrings;
const Harness = edgemill.testing.Harness(conformance);

test "what is not set stays, and of headers what is removed goes" {
    var harness: Harness = try .init(std.testing.allocator, "null");
    defer harness.deinit();
    const headers = [_]edgemill.Header{ .{ .name = "h", .value = "1" }, .{ .name = "g", .value = null }, .{ .name = "h", .value = "3" } };
    const results = try harness.run(&.{
        .{ .value = "a", .key = "k", .timestamp = 5 },
        .{ .value = "!unheader h", .headers = &headers },
        .{ .value = "!late c why" },
        .{ .value = "!all v w", .timestamp = 1 },
        .{},
    });
    const outputs = results.outputs;
    try expect(outputs.len == 4 and results.rejects.len == 1);
    try expectEqualStrings("k", outputs[0].key.?);
    try expect(outputs[0].timestamp == 5 and outputs[0].headers.len == 0 and outputs[0].topic == null);
    try expect(outputs[1].headers.len == 1 and outputs[1].headers[0].value == null);
    try expectEqualStrings("g", outputs[1].headers[0].name);
    try expect(results.rejects[0].origin == 2);
    try expectEqualStrings("why", results.rejects[0].message);
    try expectEqualStrings("v w", outputs[2].value.?);
    try expectEqualStrings("audit", outputs[2].topic.?);
    try expect(outputs[3].origin == 4 and outputs[3].value == null);
}

test "nothing is moved where all is kept" {
    var harness: Harness = try .init(std.testing.allocator, "null");
    defer harness.deinit();
    _ = try harness.run(&.{ .{ .value = "a" }, .{ .value = "!drop" }, .{ .value = "b" } });
    const table = &harness.runner.table;
    try expect(table.count == 2 and table.keys.lengths == null and table.values.lengths == null and table.timestamps == null);
    try expect(table.header_counts == null and table.routes == null);
    _ = try harness.run(&.{.{ .value = "!key k" }});
    try expect(table.keys.lengths != null and table.values.lengths == null);
}

test "a configuration that does not fit is refused with its field" {
    const wrong = [_][2][]const u8{
        .{ "{\"mark\":\"m\",\"limit\":0}", "limit must be above 0" },
        .{ "{\"limit\":1}", "the configuration has no mark" },
        .{ "{\"mark\":7}", "mark must be text" },
        .{ "{\"mark\":\"m\",\"limit\":\"1\"}", "limit must be i64" },
        .{ "[]", "the configuration must be an object" },
        .{ "{", "the configuration is not JSON: UnexpectedEndOfInput" },
    };
    for (wrong) |one| {
        try std.testing.expectError(error.Refused, Harness.init(std.testing.allocator, one[0]));
        try expectEqualStrings(one[1], edgemill.testing.refusedWith());
    }
}

const Order = struct {
    pub fn transform(record: *const edgemill.Record, out: *edgemill.Outputs) !void {
        const order = try record.json(struct { id: []const u8, amount: f64 }, out.arena());
        if (order.amount < 0) return error.Negative;
        const output = out.emit();
        output.setKey("first");
        output.setKey(order.id);
        try output.writer().writeAll("gone");
        output.setValue(null);
        output.setValue("");
        try output.writeJson(.{ .id = order.id, .twice = order.amount * 2 });
        std.log.warn("order {s}", .{order.id});
    }
};

test "JSON, errors that are rejects, and what is set twice" {
    var harness: edgemill.testing.Harness(Order) = try .init(std.testing.allocator, "null");
    defer harness.deinit();
    const results = try harness.run(&.{ .{ .value = "{\"id\":\"a\",\"amount\":1.5,\"more\":[]}" }, .{ .value = "{\"id\":\"b\",\"amount\":-1}" }, .{ .value = "{" }, .{} });
    try expect(results.outputs.len == 1 and results.rejects.len == 3);
    try expectEqualStrings("a", results.outputs[0].key.?);
    try expectEqualStrings("{\"id\":\"a\",\"twice\":3}", results.outputs[0].value.?);
    try expectEqualStrings("Negative", results.rejects[0].code);
    try expectEqualStrings("UnexpectedEndOfInput", results.rejects[1].code);
    try expectEqualStrings("NoValue", results.rejects[2].code);
}

test "bytes that are no text are replaced in a message" {
    var harness: Harness = try .init(std.testing.allocator, "null");
    defer harness.deinit();
    const results = try harness.run(&.{ .{ .value = "!reject c \xff" }, .{ .value = "!log info hello" } });
    try expectEqualStrings("\u{fffd}", results.rejects[0].message);
    try expectEqualStrings("hello", results.log[0].text);
}
