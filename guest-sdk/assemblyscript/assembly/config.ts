/** A module's configuration, and JSON as far as it needs that. */
import { Bytes } from "./bytes";

export enum JsonKind {
  null,
  bool,
  number,
  string,
  array,
  object,
}

/** A JSON value. */
export class Json {
  kind: JsonKind = JsonKind.null;
  /** Of a bool. */
  truth: bool = false;
  /** Of a string its text; of a number its digits. */
  text: string = "";
  /** Of an array. */
  items: Array<Json> = [];
  /** Of an object. */
  fields: Map<string, Json> = new Map<string, Json>();

  /** Reads a text; null where it is no JSON. */
  static parse(bytes: Bytes): Json | null {
    const reader = new Reader(bytes.toString());
    const json = reader.value(0);
    reader.spaces();
    return reader.wrong || reader.at < reader.text.length ? null : json;
  }

  /** A field of an object; null where there is none. */
  get(name: string): Json | null {
    return this.fields.has(name) ? this.fields.get(name) : null;
  }

  /** Whether it is a number without fraction and exponent that an i64 can have. */
  get isInteger(): bool {
    if (this.kind != JsonKind.number) return false;
    const digits = this.text.startsWith("-") ? this.text.substring(1) : this.text;
    for (let index = 0; index < digits.length; index++) {
      if (!isDigit(digits.charCodeAt(index))) return false;
    }
    const most = this.text.startsWith("-") ? "9223372036854775808" : "9223372036854775807";
    return digits.length < most.length || (digits.length == most.length && digits <= most);
  }

  get integer(): i64 {
    return I64.parseInt(this.text);
  }

  get float(): f64 {
    return F64.parseFloat(this.text);
  }
}

/**
 * The chain's `config`. What is asked for and is not there, or is something else, refuses the module, with the field in the
 * message; the call then returns a value of no meaning.
 */
export class Config {
  /** The first reason to refuse the module. */
  problem: string | null = null;
  private asked: Array<string> = [];
  private isWhole: bool = false;

  constructor(private whole: Json) {}

  /** All of it, for what the others cannot read; JSON's null where the chain has no `config`. Fields that nobody asks for are no mistake then. */
  get json(): Json {
    this.isWhole = true;
    return this.whole;
  }

  /** For the SDK. */
  static parse(address: usize, size: i32): Config {
    const json = Json.parse(new Bytes(address, size));
    const config = new Config(json === null ? new Json() : json);
    if (json === null) config.refuse("the configuration is not JSON");
    return config;
  }

  /** Keeps the module from being deployed. The first reason is told. */
  refuse(why: string): void {
    if (this.problem === null) this.problem = why;
  }

  /** For the SDK: refuses a field that nobody has asked for, where something was: a misspelt one would be a default in silence. */
  refuseUnknown(): void {
    if (this.isWhole || this.asked.length == 0) return;
    const names = this.whole.fields.keys();
    for (let index = 0; index < names.length; index++) {
      if (!this.asked.includes(names[index])) this.refuse("the configuration has a field " + names[index] + ", which is none of the transform's");
    }
  }

  /** Whether the chain has no `config`. */
  get isNull(): bool {
    return this.whole.kind == JsonKind.null;
  }

  has(name: string): bool {
    this.asked.push(name);
    return this.whole.get(name) !== null;
  }

  text(name: string): string {
    return this.textOr(name, "", true);
  }

  textOr(name: string, otherwise: string, needed: bool = false): string {
    const field = this.field(name, needed);
    if (field === null) return otherwise;
    if (field.kind != JsonKind.string) this.refuse(name + " must be text");
    return field.text;
  }

  integer(name: string): i64 {
    return this.integerOr(name, 0, true);
  }

  integerOr(name: string, otherwise: i64, needed: bool = false): i64 {
    const field = this.field(name, needed);
    if (field === null) return otherwise;
    if (field.isInteger) return field.integer;
    this.refuse(name + " must be a whole number");
    return otherwise;
  }

  number(name: string): f64 {
    return this.numberOr(name, 0, true);
  }

  numberOr(name: string, otherwise: f64, needed: bool = false): f64 {
    const field = this.field(name, needed);
    if (field === null) return otherwise;
    if (field.kind == JsonKind.number) return field.float;
    this.refuse(name + " must be a number");
    return otherwise;
  }

  bool(name: string): bool {
    return this.boolOr(name, false, true);
  }

  boolOr(name: string, otherwise: bool, needed: bool = false): bool {
    const field = this.field(name, needed);
    if (field === null) return otherwise;
    if (field.kind != JsonKind.bool) this.refuse(name + " must be true or false");
    return field.truth;
  }

  private field(name: string, needed: bool): Json | null {
    if (this.whole.kind != JsonKind.object) this.refuse("the configuration must be an object");
    this.asked.push(name);
    const field = this.whole.get(name);
    if (field === null && needed) this.refuse("the configuration has no " + name);
    return field;
  }
}

/** What nests deeper is no configuration. */
const DEPTH: i32 = 64;

class Reader {
  at: i32 = 0;
  wrong: bool = false;

  constructor(public text: string) {}

  private peek(): i32 {
    return this.at < this.text.length ? this.text.charCodeAt(this.at) : -1;
  }

  private take(code: i32): bool {
    if (this.peek() != code) return false;
    this.at++;
    return true;
  }

  spaces(): void {
    while (this.peek() == 32 || this.peek() == 10 || this.peek() == 13 || this.peek() == 9) this.at++;
  }

  value(depth: i32): Json {
    const json = new Json();
    this.spaces();
    const first = this.peek();
    if (depth > DEPTH) this.wrong = true;
    else if (first == 0x7b) this.object(json, depth);
    else if (first == 0x5b) this.array(json, depth);
    else if (first == 0x22) {
      json.kind = JsonKind.string;
      json.text = this.string();
    } else if (this.word("null")) json.kind = JsonKind.null;
    else if (this.word("true") || this.word("false")) {
      json.kind = JsonKind.bool;
      json.truth = first == 0x74;
    } else this.number(json);
    return json;
  }

  private word(word: string): bool {
    if (this.text.substr(this.at, word.length) != word) return false;
    this.at += word.length;
    return true;
  }

  private object(json: Json, depth: i32): void {
    json.kind = JsonKind.object;
    this.at++;
    this.spaces();
    if (this.take(0x7d)) return;
    while (!this.wrong) {
      this.spaces();
      if (this.peek() != 0x22) break;
      const name = this.string();
      this.spaces();
      if (!this.take(0x3a)) break;
      json.fields.set(name, this.value(depth + 1));
      this.spaces();
      if (this.take(0x7d)) return;
      if (!this.take(0x2c)) break;
    }
    this.wrong = true;
  }

  private array(json: Json, depth: i32): void {
    json.kind = JsonKind.array;
    this.at++;
    this.spaces();
    if (this.take(0x5d)) return;
    while (!this.wrong) {
      json.items.push(this.value(depth + 1));
      this.spaces();
      if (this.take(0x5d)) return;
      if (!this.take(0x2c)) break;
    }
    this.wrong = true;
  }

  private string(): string {
    this.at++;
    let text = "";
    let from = this.at;
    for (;;) {
      const code = this.peek();
      if (code < 0x20) break;
      if (code == 0x22) {
        text += this.text.substring(from, this.at++);
        return text;
      }
      if (code != 0x5c) {
        this.at++;
        continue;
      }
      text += this.text.substring(from, this.at++);
      const meaning = this.escaped();
      if (meaning < 0) break;
      text += String.fromCharCode(meaning);
      from = this.at;
    }
    this.wrong = true;
    return "";
  }

  private escaped(): i32 {
    const code = this.peek();
    this.at++;
    if (code == 0x62) return 8;
    if (code == 0x66) return 12;
    if (code == 0x6e) return 10;
    if (code == 0x72) return 13;
    if (code == 0x74) return 9;
    if (code == 0x22 || code == 0x5c || code == 0x2f) return code;
    if (code != 0x75 || this.at + 4 > this.text.length) return -1;
    let number = 0;
    for (const end = this.at + 4; this.at < end; this.at++) {
      const digit = this.peek() | 0x20;
      if (isDigit(this.peek())) number = number * 16 + this.peek() - 0x30;
      else if (digit >= 0x61 && digit <= 0x66) number = number * 16 + digit - 0x57;
      else return -1;
    }
    return number;
  }

  private number(json: Json): void {
    json.kind = JsonKind.number;
    const from = this.at;
    this.take(0x2d);
    const leading = this.peek();
    const whole = this.digits();
    if (whole == 0 || (leading == 0x30 && whole > 1)) this.wrong = true;
    if (this.take(0x2e) && this.digits() == 0) this.wrong = true;
    if (this.take(0x65) || this.take(0x45)) {
      if (!this.take(0x2b)) this.take(0x2d);
      if (this.digits() == 0) this.wrong = true;
    }
    json.text = this.text.substring(from, this.at);
  }

  private digits(): i32 {
    const from = this.at;
    while (isDigit(this.peek())) this.at++;
    return this.at - from;
  }
}

function isDigit(code: i32): bool {
  return code >= 0x30 && code <= 0x39;
}
