// Messages for the host's log. Where there is no host, they go to standard error.

let write = (level, message) => console.error(`${level}: ${message}`);

/** Sends messages elsewhere; returns where they went before. */
export function logTo(writer) {
  const before = write;
  write = writer;
  return before;
}

const at = (level) => (message) => write(level, String(message));

export const log = { trace: at("trace"), debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
