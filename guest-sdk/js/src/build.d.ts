// Builds a transform's source into one WebAssembly component.

/** Writes the component of a JavaScript or TypeScript source to `output`; returns its size. Types are not checked. */
export function build(source: string, output: string): Promise<number>;
