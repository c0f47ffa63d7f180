// A record that a transform refuses.

export class Reject extends Error {
  constructor(code, message) {
    super(message);
    this.name = "Reject";
    this.code = code;
  }
}
