const edgemill = @import("edgemill");

pub fn build(b: *@import("std").Build) void {
    edgemill.addTransform(b, .{ .name = "{{name}}", .root_source_file = b.path("src/transform.zig") });
}
