// Runs a transform without Wasm, in an ordinary test.

import type { Bytes, Definition } from "./index.js";

/** A record to feed: a value alone, or what a test cares for. */
export type Input =
  | Bytes
  | {
      key?: Bytes | null;
      value?: Bytes | null;
      headers?: readonly (readonly [name: Bytes, value: Bytes | null])[];
      /** Milliseconds since 1970-01-01 UTC. */
      timestamp?: bigint | number | null;
    };

/** What a transform gave. */
export interface Output {
  /** Index of the input record. */
  readonly origin: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly (readonly [name: string, value: Uint8Array | null])[];
  readonly timestamp: bigint | null;
  /** The topic it was routed to. */
  readonly route: string | null;
  /** The value as text. */
  text(): string | null;
  /** The key as text. */
  keyText(): string | null;
}

/** What became of a batch. */
export interface Results {
  readonly outputs: readonly Output[];
  readonly rejects: readonly { origin: number; code: string; message: string }[];
  readonly log: readonly { level: string; message: string }[];
  /** The values of all outputs as text. */
  readonly texts: readonly (string | null)[];
  /** The codes of all rejects. */
  readonly codes: readonly string[];
}

/** A configured transform. */
export interface Harness {
  /** Passes the records through the transform as one batch. Offsets count on from call to call. */
  run(records: Iterable<Input>): Results;
}

/** Makes a transform of its configuration. Throws what the host would show to whoever deploys the module. */
export function harness(
  transform: Definition,
  options?: { config?: unknown; topic?: string; partition?: number },
): Harness;
