//! Write Edgemill transforms in Zig: a function over one record at a time.
//!
//! ```zig
//! const edgemill = @import("edgemill");
//!
//! pub fn transform(record: *const edgemill.Record, out: *edgemill.Outputs) !void {
//!     const value = record.value orelse return out.keep();
//!     const writer = out.writer();
//!     for (value) |byte| try writer.writeByte(std.ascii.toUpper(byte));
//! }
//! ```
//!
//! A record that leaves no output is dropped on purpose. What is not set on an output stays as the record has it. The host
//! may give the same record again after a fault, so a transform must not mind. docs/guests/zig.md goes from a file to a
//! running transform.

const outputs = @import("outputs.zig");
const record = @import("record.zig");
const refusal = @import("refusal.zig");
const logging = @import("log.zig");

pub const Record = record.Record;
pub const Header = record.Header;
pub const Headers = record.Headers;
pub const Outputs = outputs.Outputs;
pub const Output = outputs.Output;
pub const Level = logging.Level;
pub const log = logging.log;
pub const refuse = refusal.refuse;
/// Runs a transform natively, through the same columns as in the host: for its own tests.
pub const testing = @import("testing.zig");

/// What the module's root uses (see door.zig); transforms do not.
pub const internal = struct {
    pub const layout = @import("layout.zig");
    pub const Runner = @import("runner.zig").Runner;
    pub const logging = @import("log.zig");
    pub const refused = refusal.message;
};
