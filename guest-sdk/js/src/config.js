// Readers of configurations: each takes a JSON value and the path to it, and gives a typed value or throws what is wrong.

const join = (path, name) => (path === "" ? name : `${path}.${name}`);
const named = (path) => (path === "" ? "the configuration" : path);

function kind(value) {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "a list";
  return { string: "text", number: "a number", boolean: "a boolean" }[typeof value] ?? "an object";
}

function wrong(path, wanted, value) {
  return new Error(`${named(path)} must be ${wanted}, not ${kind(value)}`);
}

export function text() {
  return (value, path = "") => {
    if (typeof value !== "string") throw wrong(path, "text", value);
    return value;
  };
}

export function number({ min = -Infinity, max = Infinity } = {}) {
  return (value, path = "") => {
    if (typeof value !== "number") throw wrong(path, "a number", value);
    return bounded(value, min, max, path);
  };
}

export function integer({ min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = {}) {
  return (value, path = "") => {
    if (typeof value !== "number") throw wrong(path, "a whole number", value);
    if (!Number.isInteger(value)) throw new Error(`${named(path)} must be a whole number, not ${value}`);
    return bounded(value, min, max, path);
  };
}

function bounded(value, min, max, path) {
  if (value < min) throw new Error(`${named(path)} must be at least ${min}`);
  if (value > max) throw new Error(`${named(path)} must be at most ${max}`);
  return value;
}

export function boolean() {
  return (value, path = "") => {
    if (typeof value !== "boolean") throw wrong(path, "true or false", value);
    return value;
  };
}

export function oneOf(...choices) {
  return (value, path = "") => {
    if (!choices.includes(value)) throw new Error(`${named(path)} must be one of ${choices.join(", ")}`);
    return value;
  };
}

export function list(read) {
  return (value, path = "") => {
    if (!Array.isArray(value)) throw wrong(path, "a list", value);
    return value.map((item, index) => read(item, join(path, index)));
  };
}

export function object(fields) {
  return (value, path = "") => {
    if (kind(value) !== "an object") throw wrong(path, "an object", value);
    for (const name of Object.keys(value)) {
      if (!Object.hasOwn(fields, name)) throw new Error(`${named(path)} has a field that nobody knows: ${name}`);
    }
    const read = ([name, reader]) => {
      if (!Object.hasOwn(value, name) && reader.absent === undefined) throw new Error(`${named(path)} has no ${name}`);
      return [name, Object.hasOwn(value, name) ? reader(value[name], join(path, name)) : reader.absent()];
    };
    return Object.fromEntries(Object.entries(fields).map(read));
  };
}

export function optional(read, value) {
  const reader = (item, path = "") => read(item, path);
  reader.absent = () => value;
  return reader;
}
