/** Tells how the SDK reads JSON, for reader.test.js. */
import { Bytes, Json, JsonKind, Outputs, Record, run } from "edgemill/assembly";
export * from "edgemill/assembly/door";

run((record: Record, out: Outputs): void => {
  const value = record.value;
  if (value === null) return out.keep();
  const json = Json.parse(value);
  if (json === null) return out.reject("not-json", value.toString());
  const output = out.emit().setKey("gone").setKey(Bytes.of("k")).setTimestamp(1).setTimestamp(2);
  output.setRoute("gone").setRoute("there").setValue("gone").setValue(tell(json)).writeByte(33);
});

function tell(json: Json): string {
  if (json.kind == JsonKind.null) return "null";
  if (json.kind == JsonKind.bool) return json.truth ? "true" : "false";
  if (json.kind == JsonKind.number) return json.isInteger ? "i" + json.integer.toString() : "f" + json.float.toString();
  if (json.kind == JsonKind.string) return json.text;
  let text = json.kind == JsonKind.array ? "[" : "{";
  for (let index = 0; index < json.items.length; index++) text += tell(json.items[index]) + ";";
  const names = json.fields.keys();
  for (let index = 0; index < names.length; index++) text += names[index] + "=" + tell(json.get(names[index])!) + ";";
  return text;
}
