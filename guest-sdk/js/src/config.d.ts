// Readers of configurations. An error's message names the field, and refuses the module.

/** Takes a JSON value, and the path to it for messages. Throws what is wrong with it. */
export type Reader<T> = (value: unknown, path?: string) => T;

/** What a reader gives. */
export type Read<R> = R extends Reader<infer T> ? T : never;

export function text(): Reader<string>;
export function number(bounds?: { min?: number; max?: number }): Reader<number>;
/** A number without a fraction. */
export function integer(bounds?: { min?: number; max?: number }): Reader<number>;
export function boolean(): Reader<boolean>;
export function oneOf<const T extends string | number>(...choices: T[]): Reader<T>;
export function list<T>(read: Reader<T>): Reader<T[]>;
/** An object with these fields and no others. */
export function object<F extends { [name: string]: Reader<unknown> }>(fields: F): Reader<{ [N in keyof F]: Read<F[N]> }>;
/** A field that may be left out; `value` (or undefined) stands for it. */
export function optional<T>(read: Reader<T>): Reader<T | undefined>;
export function optional<T>(read: Reader<T>, value: T): Reader<T>;
