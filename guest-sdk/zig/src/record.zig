//! The records of a batch, one by one, as views into the host's columns.

const std = @import("std");
const layout = @import("layout.zig");

/// A record; everything is borrowed from the host's batch until the transform returns. Null is Kafka's null; an empty
/// slice is empty bytes.
pub const Record = struct {
    topic: []const u8,
    partition: i32,
    offset: i64,
    /// Milliseconds since 1970-01-01 UTC.
    timestamp: ?i64,
    key: ?[]const u8,
    value: ?[]const u8,
    headers: Headers,

    /// The last header of a name, as Kafka's own lastHeader.
    pub fn header(record: *const Record, name: []const u8) ?Header {
        var found: ?Header = null;
        var headers = record.headers;
        while (headers.next()) |one| {
            if (std.mem.eql(u8, one.name, name)) found = one;
        }
        return found;
    }

    /// The value as JSON of a type; fields that the type does not have are passed over. What it points to lives in
    /// `arena`, usually `out.arena()`, or in the record. A null value is `error.NoValue`.
    pub fn json(record: *const Record, comptime T: type, arena: std.mem.Allocator) !T {
        const text = record.value orelse return error.NoValue;
        return std.json.parseFromSliceLeaky(T, arena, text, .{ .ignore_unknown_fields = true });
    }
};

pub const Header = struct {
    name: []const u8,
    value: ?[]const u8,
};

/// The headers of a record, in order. A copy begins where the original stands: `var headers = record.headers;`
pub const Headers = struct {
    batch: *const layout.Batch,
    left: u32,
    at: Place,

    pub fn next(headers: *Headers) ?Header {
        if (headers.left == 0) return null;
        headers.left -= 1;
        return headers.at.take(headers.batch);
    }

    /// How many are left.
    pub fn count(headers: *const Headers) usize {
        return headers.left;
    }
};

/// A header's place in the batch's columns.
pub const Place = struct {
    index: usize = 0,
    name: usize = 0,
    value: usize = 0,

    pub fn take(place: *Place, batch: *const layout.Batch) Header {
        const found: Header = .{
            .name = item(&batch.header_names, place.index, place.name) orelse "",
            .value = item(&batch.header_values, place.index, place.value),
        };
        place.name += found.name.len;
        place.value += length(found.value);
        place.index += 1;
        return found;
    }
};

/// Where a record's items begin in the batch's columns.
pub const Cursor = struct {
    index: usize = 0,
    key: usize = 0,
    value: usize = 0,
    header: Place = .{},

    pub fn record(cursor: *const Cursor, batch: *const layout.Batch) Record {
        const timestamp = batch.timestamps.?[cursor.index];
        return .{
            .topic = batch.topic.slice(),
            .partition = batch.partition,
            .offset = batch.offsets.?[cursor.index],
            .timestamp = if (timestamp == -1) null else timestamp,
            .key = item(&batch.keys, cursor.index, cursor.key),
            .value = item(&batch.values, cursor.index, cursor.value),
            .headers = cursor.headers(batch),
        };
    }

    pub fn headers(cursor: *const Cursor, batch: *const layout.Batch) Headers {
        return .{ .batch = batch, .left = batch.headersOf(cursor.index), .at = cursor.header };
    }

    pub fn advance(cursor: *Cursor, batch: *const layout.Batch) void {
        cursor.key += length(item(&batch.keys, cursor.index, cursor.key));
        cursor.value += length(item(&batch.values, cursor.index, cursor.value));
        for (0..batch.headersOf(cursor.index)) |_| _ = cursor.header.take(batch);
        cursor.index += 1;
    }
};

/// An item of a column whose bytes begin at a place.
pub fn item(column: *const layout.Column, index: usize, at: usize) ?[]const u8 {
    const size = column.lengths.?[index];
    if (size < 0) return null;
    return if (column.data) |data| data[at..][0..@intCast(size)] else "";
}

fn length(bytes: ?[]const u8) usize {
    return if (bytes) |some| some.len else 0;
}
