//! Gives each page view an `_id`, by std.json; with `keep`, lets records pass.

const std = @import("std");
const edgemill = @import("edgemill");

const Config = struct { keep: bool };
const View = struct { viewtime: i64, userid: []const u8, pageid: []const u8 };

pub const Transform = struct {
    keep: bool,

    pub fn configure(config: Config) !Transform {
        return .{ .keep = config.keep };
    }

    pub fn transform(self: *Transform, record: *const edgemill.Record, out: *edgemill.Outputs) !void {
        if (self.keep) return out.keep();
        if (record.value == null) return;
        const view = try record.json(View, out.arena());
        const id = try std.fmt.allocPrint(out.arena(), "{s}|{s}|{d}", .{ view.userid, view.pageid, view.viewtime });
        try out.emit().writeJson(.{ ._id = id, .viewtime = view.viewtime, .userid = view.userid, .pageid = view.pageid });
    }
};
