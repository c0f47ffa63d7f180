//! Configurations: JSON as a type of the transform's own, and why one is refused.

const std = @import("std");

var said: ?[]const u8 = null;

/// Refuses the configuration, which keeps the module from being deployed. Returns the error to be returned:
/// `return edgemill.refuse("limit must be above 0", .{})`.
pub fn refuse(comptime format: []const u8, arguments: anytype) error{Refused} {
    // kept for good: the module ends here
    said = std.heap.page_allocator.print(format, arguments) catch "refused";
    return error.Refused;
}

/// What a refused configuration is told with.
pub fn message(problem: anyerror) []const u8 {
    return if (problem == error.Refused) said orelse "refused" else @errorName(problem);
}

/// Reads a configuration, in memory of `arena`; says which field is missing, wrong, or none of the type's.
pub fn parse(comptime T: type, arena: std.mem.Allocator, text: []const u8) !T {
    const json = std.json.parseFromSliceLeaky(std.json.Value, arena, text, .{}) catch |problem|
        return refuse("the configuration is not JSON: {s}", .{@errorName(problem)});
    return field(T, arena, json, "the configuration");
}

fn field(comptime T: type, arena: std.mem.Allocator, json: std.json.Value, comptime name: []const u8) !T {
    switch (@typeInfo(T)) {
        .void => return,
        .optional => |optional| return if (json == .null) null else try field(optional.child, arena, json, name),
        .@"struct" => |structure| {
            if (structure.is_tuple or std.meta.hasFn(T, "jsonParseFromValue")) return leaf(T, arena, json, name);
            if (json != .object) return refuse("{s} must be an object", .{name});
            var result: T = undefined;
            inline for (structure.field_names, structure.field_types, structure.field_attrs) |part, Part, attributes| {
                if (json.object.get(part)) |given| {
                    @field(result, part) = try field(Part, arena, given, part);
                } else {
                    @field(result, part) = attributes.defaultValue(Part) orelse return refuse("{s} has no {s}", .{ name, part });
                }
            }
            for (json.object.keys()) |given| {
                const is_known = inline for (structure.field_names) |part| {
                    if (std.mem.eql(u8, part, given)) break true;
                } else false;
                if (!is_known) return refuse("{s} has a field {s}, which is none of the transform's", .{ name, given });
            }
            return result;
        },
        else => return leaf(T, arena, json, name),
    }
}

fn leaf(comptime T: type, arena: std.mem.Allocator, json: std.json.Value, comptime name: []const u8) !T {
    // std.json would take text for a number, and text for bytes one by one
    const fits = switch (@typeInfo(T)) {
        .int, .float => json == .integer or json == .float or json == .number_string,
        .pointer => |pointer| pointer.child != u8 or json == .string,
        else => true,
    };
    if (fits) {
        if (std.json.parseFromValueLeaky(T, arena, json, .{ .ignore_unknown_fields = true })) |good| return good else |_| {}
    }
    return refuse("{s} must be {s}", .{ name, comptime if (T == []const u8) "text" else @typeName(T) });
}
