//! A transform with its columns: what the door and the tests have in common.

const std = @import("std");
const layout = @import("layout.zig");
const refusal = @import("refusal.zig");
const Outputs = @import("outputs.zig").Outputs;
const Record = @import("record.zig").Record;

/// Around a namespace, usually a transform's file: it has a function `transform(record, out)`, or a type `Transform` with
/// `configure(config) !Transform`, the configuration's type being that of the argument, and a method `transform(self, record, out)`.
pub fn Runner(comptime user: type) type {
    const is_stateful = @hasDecl(user, "Transform");
    if (!is_stateful and !@hasDecl(user, "transform"))
        @compileError("a transform has `pub fn transform(record: *const edgemill.Record, out: *edgemill.Outputs) !void`, or a type `Transform` with that");
    const State = if (is_stateful) user.Transform else void;

    return struct {
        const Self = @This();

        outputs: Outputs,
        /// Has the configuration, for as long as the instance lives.
        memory: std.heap.ArenaAllocator,
        state: State,
        table: layout.Outputs align(layout.alignment) = .{},

        /// Fails with `error.Refused` where the configuration does not fit: `refusal.message` says why.
        pub fn init(gpa: std.mem.Allocator, config: []const u8) !Self {
            var memory: std.heap.ArenaAllocator = .init(gpa);
            errdefer memory.deinit();
            const state = if (is_stateful) try configure(memory.allocator(), config) else {};
            return .{ .outputs = .init(gpa), .memory = memory, .state = state };
        }

        pub fn deinit(self: *Self) void {
            if (is_stateful and @hasDecl(State, "deinit")) self.state.deinit();
            self.outputs.deinit();
            self.memory.deinit();
        }

        fn configure(arena: std.mem.Allocator, config: []const u8) !State {
            if (!@hasDecl(State, "configure")) return .{};
            const Config = @typeInfo(@TypeOf(State.configure)).@"fn".param_types[0].?;
            return State.configure(try refusal.parse(Config, arena, config));
        }

        /// Passes a batch. The result is good until the next call.
        pub fn run(self: *Self, batch: *const layout.Batch) *const layout.Outputs {
            const out = &self.outputs;
            out.start(batch);
            for (0..batch.count) |_| {
                const record = out.at.record(batch);
                self.apply(&record, out);
                out.next();
            }
            self.table = out.table();
            return &self.table;
        }

        fn apply(self: *Self, record: *const Record, out: *Outputs) void {
            const result = if (is_stateful) self.state.transform(record, out) else user.transform(record, out);
            if (@typeInfo(@TypeOf(result)) != .error_union) return;
            _ = result catch |problem| switch (@as(anyerror, problem)) {
                // no fault of the record's: it is tried again alone, in a new instance
                error.OutOfMemory, error.WriteFailed => @panic("there is no more memory"),
                // the transform has said why; any other error is a reject by its name
                else => _ = out.reject(@errorName(problem), "{s}", .{@errorName(problem)}) catch {},
            };
        }
    };
}
