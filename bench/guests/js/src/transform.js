// Gives each page view an `_id`, by JSON; with `keep`, lets records pass.

import { defineTransform } from "edgemill-guest";

export default defineTransform({
  configure: (config) => config,

  transform(record, out, { keep }) {
    if (keep) return out.keep();
    const view = record.json();
    if (view === null) return;
    const { viewtime, userid, pageid } = view;
    out.emit({ value: JSON.stringify({ _id: `${userid}|${pageid}|${viewtime}`, viewtime, userid, pageid }) });
  },
});
