//! The root of a transform's module: the exports of the core door (docs/guests/core-door.md) around the file named `transform`.

const std = @import("std");
const edgemill = @import("edgemill").internal;
const Runner = edgemill.Runner(@import("transform"));

const gpa = std.heap.wasm_allocator;

var input: []align(16) u8 = &.{};
var runner: Runner = undefined;
var refusal: edgemill.layout.Text align(edgemill.layout.alignment) = .{};

pub const std_options: std.Options = .{ .logFn = edgemill.logging.standard, .log_level = .debug };

pub const panic = std.debug.FullPanic(giveUp);

fn giveUp(message: []const u8, _: ?usize) noreturn {
    edgemill.logging.write(.err, message);
    @trap();
}

export fn edgemill_alloc(size: usize) ?[*]u8 {
    if (size > input.len) {
        gpa.free(input);
        input = &.{};
        input = gpa.alignedAlloc(u8, .@"16", size) catch return null;
    }
    return input.ptr;
}

export fn edgemill_configure(text: [*]const u8, size: usize) ?*const edgemill.layout.Text {
    runner = Runner.init(gpa, text[0..size]) catch |problem| {
        refusal = .of(edgemill.refused(problem));
        return &refusal;
    };
    return null;
}

export fn edgemill_transform_1_0_0(batch: *const edgemill.layout.Batch) *const edgemill.layout.Outputs {
    return runner.run(batch);
}
