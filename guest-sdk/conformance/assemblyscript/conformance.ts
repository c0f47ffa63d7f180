/** The conformance transform in AssemblyScript: see guest-sdk/conformance/README.md. */
import { Bytes, Config, Level, Outputs, Record, Transform, log, runWith } from "edgemill/assembly";

const SPACE: u8 = 0x20;
const LEVELS = ["trace", "debug", "info", "warn", "error"];

class Conformance extends Transform {
  private mark: string = "none";
  private limit: i64 = 100;

  constructor(config: Config) {
    super();
    if (!config.isNull) {
      this.mark = config.text("mark");
      this.limit = config.integerOr("limit", 100);
      if (this.limit <= 0) config.refuse("limit must be above 0");
    }
  }

  transform(record: Record, out: Outputs): void {
    const value = record.value;
    if (value === null || !value.startsWith("!")) return out.keep();
    const command = value.slice(1);
    const word = before(command);
    const rest = behind(command);
    const name = word.toString();
    if (name == "keep") out.keep();
    else if (name == "drop") return;
    else if (name == "value") out.emit().setValue(rest);
    else if (name == "null") out.emit().nullValue();
    else if (name == "key") out.emit().setKey(rest);
    else if (name == "nokey") out.emit().nullKey();
    else if (name == "time") out.emit().setTimestamp(I64.parseInt(rest.toString()));
    else if (name == "header") out.emit().addHeader(before(rest), behind(rest));
    else if (name == "nullheader") out.emit().addNullHeader(rest);
    else if (name == "unheader") out.emit().removeHeader(rest);
    else if (name == "route") out.emit().setRoute(rest);
    else if (name == "twice") {
      out.keep();
      out.emit().setValue("again");
    } else if (name == "many") this.many(I64.parseInt(rest.toString()), out);
    else if (name == "long") out.emit().setValue("x".repeat(I32.parseInt(rest.toString())));
    else if (name == "all") {
      out.emit().setKey("k").setValue(rest).setTimestamp(7).addHeader("h", "v").setRoute("audit");
    } else if (name == "reject") out.reject(before(rest).toString(), behind(rest).toString());
    else if (name == "late") {
      out.keep();
      out.reject(before(rest).toString(), behind(rest).toString());
    } else if (name == "log") {
      const level = LEVELS.indexOf(before(rest).toString());
      if (level < 0) return out.reject("unknown-level", before(rest).toString());
      log(<Level>level, behind(rest));
      out.keep();
    } else if (name == "tell") tell(record, out);
    else if (name == "headers") {
      const output = out.emit().setValue("");
      const headers = record.headers;
      for (let index = 0; index < headers.length; index++) {
        if (index > 0) output.write(",");
        output.write(headers[index].name).write("=");
        const one = headers[index].value;
        if (one === null) output.write("-");
        else output.write(one);
      }
    } else if (name == "last") {
      const header = record.header(rest);
      if (header === null) return out.reject("no-header", "there is no header " + rest.toString());
      out.emit().setValue(header.value);
    } else if (name == "mark") out.emit().setValue(this.mark);
    else if (name == "trap") throw new Error("as it was told");
    // in no vector: a trap in the library's code, which is to name this line
    else if (name == "beyond") out.emit().setValue(LEVELS[I32.parseInt(rest.toString())]);
    else if (name == "loop") forever();
    else if (name == "grow") {
      const all: Array<ArrayBuffer> = [];
      for (;;) all.push(new ArrayBuffer(1 << 20));
    } else out.reject("unknown-command", name);
  }

  private many(count: i64, out: Outputs): void {
    if (count > this.limit) {
      return out.reject("too-many", count.toString() + " is over the limit of " + this.limit.toString());
    }
    for (let index: i64 = 0; index < count; index++) out.emit().setValue(index.toString());
  }
}

function tell(record: Record, out: Outputs): void {
  const timestamp = record.timestamp == -1 ? "-" : record.timestamp.toString();
  const place = record.topic + " " + record.partition.toString() + " " + record.offset.toString();
  const output = out.emit().setValue(place).write(" ").write(timestamp).write(" ");
  const key = record.key;
  if (key === null) output.write("-");
  else output.write(key);
}

let turns: u64 = 0;

function forever(): void {
  for (;;) turns++;
}

/** What stands before the first space. */
function before(bytes: Bytes): Bytes {
  const space = bytes.indexOf(SPACE);
  return space < 0 ? bytes : bytes.slice(0, space);
}

/** What stands behind the first space. */
function behind(bytes: Bytes): Bytes {
  const space = bytes.indexOf(SPACE);
  return bytes.slice(space < 0 ? bytes.length : space + 1);
}

runWith((config: Config): Transform => new Conformance(config));
export * from "edgemill/assembly/door";
