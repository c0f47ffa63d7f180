/** Makes the text of every record loud. A place to begin: change it into what you need. */
import { Config, Outputs, Record, Transform, runWith } from "edgemill/assembly";
export * from "edgemill/assembly/door";

class Loud extends Transform {
  private mark: string = "!";

  /** What stands in the pipeline's configuration: `config = { mark = "!" }`. */
  constructor(config: Config) {
    super();
    if (!config.isNull) this.mark = config.textOr("mark", "!");
  }

  transform(record: Record, out: Outputs): void {
    const value = record.value;
    if (value === null) return out.keep();
    if (value.length == 0) return out.reject("empty", "the value is empty");
    out.emit().setValue(value.toString().toUpperCase()).write(this.mark);
  }
}

runWith((config: Config): Transform => new Loud(config));
