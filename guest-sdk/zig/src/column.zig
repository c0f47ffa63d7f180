//! Memory for outputs: it only grows, and is used again by the next batch.

const std = @import("std");
const layout = @import("layout.zig");

/// An array as the host wants it.
pub fn Array(comptime T: type) type {
    return struct {
        const Self = @This();
        const place: std.mem.Alignment = .fromByteUnits(@max(layout.alignment, @alignOf(T)));
        const nothing: T align(layout.alignment) = 0;

        list: std.array_list.Aligned(T, place) = .empty,

        pub fn push(self: *Self, gpa: std.mem.Allocator, one: T) void {
            self.list.append(gpa, one) catch noMemory();
        }

        pub fn clear(self: *Self) void {
            self.list.clearRetainingCapacity();
        }

        pub fn deinit(self: *Self, gpa: std.mem.Allocator) void {
            self.list.deinit(gpa);
        }

        pub fn len(self: *const Self) u32 {
            return @intCast(self.list.items.len);
        }

        /// Its address; never null, which would say that there is no such array.
        pub fn address(self: *const Self) [*]const T {
            return if (self.list.items.len == 0) @ptrCast(&nothing) else self.list.items.ptr;
        }
    };
}

/// k byte strings.
pub const Column = struct {
    lengths: Array(i32) = .{},
    bytes: std.Io.Writer.Allocating,
    /// Where the bytes of the item begin that is being written.
    begin: usize = 0,

    pub fn init(gpa: std.mem.Allocator) Column {
        return .{ .bytes = .init(gpa) };
    }

    pub fn deinit(column: *Column) void {
        column.lengths.deinit(column.bytes.allocator);
        column.bytes.deinit();
    }

    pub fn clear(column: *Column) void {
        column.lengths.clear();
        column.bytes.writer.end = 0;
    }

    pub fn push(column: *Column, bytes: ?[]const u8) void {
        column.begin = column.bytes.writer.end;
        column.lengths.push(column.bytes.allocator, if (bytes) |some| @intCast(some.len) else -1);
        if (bytes) |some| column.bytes.writer.writeAll(some) catch noMemory();
    }

    /// Formats an item, of which bytes that are not UTF-8 are replaced.
    pub fn print(column: *Column, comptime format: []const u8, arguments: anytype) void {
        column.push("");
        const writer = &column.bytes.writer;
        writer.print(format, arguments) catch noMemory();
        if (!std.unicode.utf8ValidateSlice(writer.buffer[column.begin..writer.end])) {
            const gpa = column.bytes.allocator;
            const wrong = gpa.dupe(u8, writer.buffer[column.begin..writer.end]) catch noMemory();
            defer gpa.free(wrong);
            writer.end = column.begin;
            writer.print("{f}", .{std.unicode.fmtUtf8(wrong)}) catch noMemory();
        }
        column.close();
    }

    /// Ends an item that was written piece by piece.
    pub fn close(column: *Column) void {
        const lengths = column.lengths.list.items;
        lengths[lengths.len - 1] = @intCast(column.bytes.writer.end - column.begin);
    }

    /// Takes the last item back.
    pub fn pop(column: *Column) void {
        column.lengths.list.items.len -= 1;
        column.bytes.writer.end = column.begin;
    }

    /// The last item, which is no longer there; good until the next is pushed.
    pub fn takeLast(column: *Column) ?[]const u8 {
        const length = column.lengths.list.pop().?;
        if (length < 0) return null;
        const end = column.bytes.writer.end;
        column.bytes.writer.end -= @intCast(length);
        return column.bytes.writer.buffer[column.bytes.writer.end..end];
    }

    pub fn view(column: *const Column) layout.Column {
        const bytes = column.bytes.writer.buffer[0..column.bytes.writer.end];
        return .{
            .lengths = column.lengths.address(),
            .data = if (bytes.len == 0) "" else bytes.ptr,
            .size = @intCast(bytes.len),
        };
    }
};

/// A fault of the record, which the host tells from a reject.
pub fn noMemory() noreturn {
    @panic("there is no memory for outputs");
}
