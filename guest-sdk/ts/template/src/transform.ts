// Makes the text of every record loud. A place to begin: change it into what you need.

import { defineTransform, Reject } from "edgemill-guest";
import { object, optional, text } from "edgemill-guest/config";

/** What stands in the pipeline's configuration: `config = { mark = "!" }`. */
const read = object({ mark: optional(text(), "!") });

export default defineTransform({
  configure: (config) => read(config ?? {}),

  transform(record, out, { mark }) {
    const value = record.text();
    if (value === null) return out.keep();
    if (value === "") throw new Reject("empty", "the value is empty");
    out.emit({ value: value.toUpperCase() + mark });
  },
});
