/** Gives each page view an `_id`; with `keep`, lets records pass. Writes texts without escapes, and refuses those that need some. */
import { Config, Json, JsonKind, Outputs, Record, Transform, runWith } from "edgemill/assembly";
export * from "edgemill/assembly/door";

class PageViews extends Transform {
  private keep: bool;

  constructor(config: Config) {
    super();
    this.keep = config.bool("keep");
  }

  transform(record: Record, out: Outputs): void {
    if (this.keep) return out.keep();
    const value = record.value;
    if (value === null) return;
    const view = Json.parse(value);
    if (view === null) return out.reject("not-json", "the value is not JSON");
    const time = view.get("viewtime");
    const user = view.get("userid");
    const page = view.get("pageid");
    if (time === null || user === null || page === null || !time.isInteger) {
      return out.reject("not-a-view", "viewtime, userid or pageid is missing");
    }
    if (!isPlain(user) || !isPlain(page)) return out.reject("strange-text", "userid and pageid must be plain text");
    const output = out.emit().setValue('{"_id":"');
    output.write(user.text).write("|").write(page.text).write("|").write(time.text);
    output.write('","viewtime":').write(time.text).write(',"userid":"').write(user.text);
    output.write('","pageid":"').write(page.text).write('"}');
  }
}

function isPlain(json: Json): bool {
  for (let index = 0; index < json.text.length; index++) {
    const unit = json.text.charCodeAt(index);
    if (unit < 0x20 || unit == 0x22 || unit == 0x5c) return false;
  }
  return json.kind == JsonKind.string;
}

runWith((config: Config): Transform => new PageViews(config));
