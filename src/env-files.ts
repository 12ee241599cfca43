/**
 * The files in the current folder from which Bun may read variables.
 *
 * @param mode the variable NODE_ENV
 */
export function envFiles(mode: string | undefined): string[] {
  const modes = mode === "test" ? [".test"] : [".development", ".production"];
  return ["", ...modes].flatMap((each) => [`.env${each}`, `.env${each}.local`]);
}

/**
 * Bun ignores a file in UTF-16, which editors and shells on Windows write, without a word.
 *
 * @param head the first bytes of the file
 * @returns what to do, if it is not UTF-8 text
 */
export function envFileFault(name: string, head: Uint8Array): string | undefined {
  const mark = `${head[0]} ${head[1]}`;
  // Without a mark, UTF-16 shows by the zero byte of each character of ASCII.
  if (mark !== "255 254" && mark !== "254 255" && !head.includes(0)) return undefined;
  return `${name} is not UTF-8 text, so its settings would be ignored. Save it as UTF-8.`;
}
