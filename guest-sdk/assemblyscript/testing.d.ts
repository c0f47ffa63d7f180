// Runs a module of the core door under Node, for tests.

/** What can be given for bytes; null is Kafka's null. */
export type Given = string | Uint8Array | null;

/** A record to pass. Topic and partition are those of the first record of a batch. */
export interface Input {
  key?: Given;
  value?: Given;
  headers?: [name: string | Uint8Array, value: Given][];
  /** Milliseconds since 1970-01-01 UTC. */
  timestamp?: number;
  topic?: string;
  partition?: number;
  offset?: number | bigint;
}

/** What came: bytes are a string where they are UTF-8, else a Uint8Array. */
export interface Output {
  /** Index of the record that it came of. */
  origin: number;
  key: Given;
  value: Given;
  headers: [name: string | Uint8Array, value: Given][];
  /** -1 where there is none. */
  timestamp: number;
  /** Where it goes; null is where the record was going. */
  topic: string | null;
}

export interface Results {
  outputs: Output[];
  rejects: { origin: number; code: string; message: string }[];
  log: { level: "trace" | "debug" | "info" | "warn" | "error"; message: string }[];
}

export declare class Harness {
  constructor(module: WebAssembly.Module, config: unknown);
  /** Passes records in one batch. A trap is an error with the module's last message. */
  run(records: Input[]): Results;
  /** The module's memory in bytes, which must not grow with the number of records. */
  get memory(): number;
}

/** Loads a module and gives it a configuration. Fails with the module's own message where it refuses that. */
export declare function load(file: string | URL, config?: unknown): Promise<Harness>;
