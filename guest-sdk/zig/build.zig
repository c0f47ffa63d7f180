//! The package `edgemill`, and `addTransform` for the build files of transforms.

const std = @import("std");

pub fn build(b: *std.Build) void {
    const target = b.standardTargetOptions(.{});
    const optimize = b.standardOptimizeOption(.{});
    _ = b.addModule("edgemill", .{ .root_source_file = b.path("src/edgemill.zig"), .target = target, .optimize = optimize });
}

pub const Options = struct {
    /// The module is `zig-out/bin/NAME.wasm`.
    name: []const u8,
    /// The file that has `transform`.
    root_source_file: std.Build.LazyPath,
    /// With safety checks, a mistake is a fault with a message, and costs little.
    optimize: std.builtin.Optimize = .safe,
    /// Without debug information a module is a tenth as large, and a trap does not name lines.
    strip: bool = false,
};

/// Adds a transform to the default step, and its tests to the step `test`, from the build file of a package that depends
/// on this one:
///
/// ```zig
/// const edgemill = @import("edgemill");
///
/// pub fn build(b: *std.Build) void {
///     edgemill.addTransform(b, .{ .name = "shout", .root_source_file = b.path("shout.zig") });
/// }
/// ```
pub fn addTransform(b: *std.Build, options: Options) void {
    const sdk = b.dependency("edgemill", .{});
    const wasm = b.resolveTargetQuery(.{
        .cpu_arch = .wasm32,
        .os_tag = .freestanding,
        .cpu_features_add = std.Target.wasm.featureSet(&.{.simd128}),
    });
    const door = b.addExecutable(.{ .name = options.name, .root_module = b.createModule(.{
        .root_source_file = sdk.path("src/door.zig"),
        .target = wasm,
        .optimize = options.optimize,
        .strip = options.strip,
    }) });
    const of_wasm = modules(b, sdk, options, wasm, options.optimize);
    door.root_module.addImport("transform", of_wasm.transform);
    door.root_module.addImport("edgemill", of_wasm.edgemill);
    door.entry = .disabled;
    door.rdynamic = true;
    b.installArtifact(door);

    const native = modules(b, sdk, options, b.graph.host, .debug);
    const tests = b.addRunArtifact(b.addTest(.{ .name = options.name, .root_module = native.transform }));
    const step = if (b.top_level_steps.get("test")) |there| &there.step else b.step("test", "Run the tests of the transforms, without Wasm");
    step.dependOn(&tests.step);
}

const Modules = struct { transform: *std.Build.Module, edgemill: *std.Build.Module };

fn modules(b: *std.Build, sdk: *std.Build.Dependency, options: Options, target: std.Build.ResolvedTarget, optimize: std.builtin.Optimize) Modules {
    const edgemill = b.createModule(.{ .root_source_file = sdk.path("src/edgemill.zig"), .target = target, .optimize = optimize });
    const transform = b.createModule(.{
        .root_source_file = options.root_source_file,
        .target = target,
        .optimize = optimize,
        .imports = &.{.{ .name = "edgemill", .module = edgemill }},
    });
    return .{ .transform = transform, .edgemill = edgemill };
}
