//! The tables of the core door (docs/guests/core-door.md). Natively, in tests, addresses are wider and all else is the same.

const builtin = @import("builtin");

/// Tables and arrays begin at a multiple of this.
pub const alignment = 8;

/// k byte strings: lengths, -1 for null, and their bytes end to end.
pub const Column = extern struct {
    lengths: ?[*]const i32 = null,
    data: ?[*]const u8 = null,
    size: u32 = 0,
};

pub const Text = extern struct {
    data: ?[*]const u8 = null,
    size: u32 = 0,

    pub fn of(bytes: []const u8) Text {
        return .{ .data = bytes.ptr, .size = @intCast(bytes.len) };
    }

    pub fn slice(text: Text) []const u8 {
        return if (text.data) |data| data[0..text.size] else "";
    }
};

pub const Batch = extern struct {
    count: u32,
    partition: i32,
    topic: Text,
    offsets: ?[*]const i64,
    timestamps: ?[*]const i64,
    keys: Column,
    values: Column,
    header_counts: ?[*]const u32,
    header_total: u32,
    header_names: Column,
    header_values: Column,

    pub fn headersOf(batch: *const Batch, index: usize) u32 {
        return if (batch.header_counts) |counts| counts[index] else 0;
    }
};

pub const Outputs = extern struct {
    count: u32 = 0,
    origins: ?[*]const u32 = null,
    timestamps: ?[*]const i64 = null,
    keys: Column = .{},
    values: Column = .{},
    header_counts: ?[*]const u32 = null,
    header_total: u32 = 0,
    header_names: Column = .{},
    header_values: Column = .{},
    routes: ?[*]const u16 = null,
    route_count: u32 = 0,
    route_names: Column = .{},
    reject_count: u32 = 0,
    reject_origins: ?[*]const u32 = null,
    reject_codes: Column = .{},
    reject_messages: Column = .{},
    fault: Text = .{},
};

comptime {
    if (builtin.cpu.arch.isWasm() and (@sizeOf(Batch) != 80 or @sizeOf(Outputs) != 128))
        @compileError("these are not the core door's tables");
}
