// The types of transforms, of what they are given, and of what they give.

/** Bytes, or text that becomes UTF-8. */
export type Bytes = Uint8Array | string;

/** A header. `name` is text; a name that is not UTF-8 has U+FFFD in it, and passes unharmed with the header. */
export interface Header {
  readonly name: string;
  /** The name's bytes. */
  readonly nameBytes: Uint8Array;
  /** The value; null is Kafka's null. */
  readonly value: Uint8Array | null;
  /** The value as text. Throws a {@link Reject} `not-utf8`. */
  text(): string | null;
}

/** A record. Its bytes are views into the batch: copy what is kept for longer than a call, or the whole batch stays. */
export interface InputRecord {
  readonly topic: string;
  readonly partition: number;
  /** Its offset in the partition: 64 bits. */
  readonly offset: bigint;
  /** Milliseconds since 1970-01-01 UTC; null where there is none. */
  readonly timestamp: bigint | null;
  /** The key; null is Kafka's null. */
  readonly key: Uint8Array | null;
  /** The value; null is Kafka's null, a tombstone. */
  readonly value: Uint8Array | null;
  /** The headers, in order. */
  readonly headers: readonly Header[];
  /** The last header of this name, as Kafka's own `lastHeader`. */
  header(name: string): Header | undefined;
  /** The value as text; null is null. Throws a {@link Reject} `not-utf8`. */
  text(): string | null;
  /** The key as text; null is null. Throws a {@link Reject} `not-utf8`. */
  keyText(): string | null;
  /** The value parsed as JSON; null is null, as is JSON's. Throws a {@link Reject} `not-utf8` or `not-json`. */
  json<T = unknown>(): T | null;
}

/** What is set on an output. What is left out (or undefined) stays as the record has it; null is Kafka's null. */
export interface Fields {
  key?: Bytes | null | undefined;
  value?: Bytes | null | undefined;
  /** Milliseconds since 1970-01-01 UTC. */
  timestamp?: bigint | number | undefined;
  /** All headers: `[...record.headers, ["name", "value"]]` adds one. */
  headers?: Iterable<Header | readonly [name: Bytes, value: Bytes | null]> | undefined;
  /** The topic to send it to, one that the pipeline's sink declares. */
  route?: string | undefined;
}

/** Where a transform puts what becomes of a record. A record that leaves nothing here is dropped on purpose. */
export interface Outputs {
  /** Lets the record pass as it is. A transform that does only this moves no bytes. */
  keep(): void;
  /** Gives an output: the record with what is set here. As often as you like. */
  emit(fields: Fields): void;
}

/** Turns one record into any number of outputs. Throwing a {@link Reject} refuses the record; anything else is a fault. */
export type TransformFunction = (record: InputRecord, out: Outputs) => void;

/** A transform with a configuration, or with something to remember. */
export interface Transform<State> {
  /**
   * Takes the module's configuration (null where the pipeline has none) and makes what `transform` is given, once,
   * before any record. Throwing refuses the module; the message is shown to whoever deploys it.
   */
  configure(config: unknown): State;
  /** Turns one record into any number of outputs. It may see the same record again after a fault. */
  transform(record: InputRecord, out: Outputs, state: State): void;
}

/** A checked transform, to be the default export of the module's source. */
export interface Definition {
  readonly configure?: (config: unknown) => unknown;
  readonly transform: (record: InputRecord, out: Outputs, state: never) => void;
}

/** Checks a transform and gives it back. A function alone takes no configuration. */
export function defineTransform(transform: TransformFunction): Definition;
export function defineTransform<State>(transform: Transform<State>): Definition;

/** Thrown to refuse a record. What the record gave so far is withheld, and the pipeline's policy applies to it. */
export class Reject extends Error {
  /**
   * @param code A short word of the transform's own, such as `not-json`: for metrics and for filtering dead letters.
   * @param message What is wrong with the record, for a person.
   */
  constructor(code: string, message: string);
  readonly code: string;
}

/** Writes to the host's log, which counts and limits messages. `console.log` and its sisters go there, too. */
export const log: {
  trace(message: string): void;
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
};
