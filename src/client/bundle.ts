/**
 * The client library as one minified ES module, for browsers that import it from a server.
 * To be imported as a macro: `import { readBundle } from "./client/bundle.ts" with { type: "macro" }`
 * puts the text in the place of the call, from source as in the compiled binary.
 */
export function readBundle(): string {
  // In a macro, Bun.build would wait for itself.
  const { stdout, stderr, exitCode } = Bun.spawnSync(
    [process.execPath, "build", "--minify", "--target=browser", `${import.meta.dir}/client.ts`],
    { env: { ...process.env, BUN_BE_BUN: "1" } },
  );
  if (exitCode !== 0) throw new Error(`The client library can not be built: ${stderr.toString()}`);
  return stdout.toString();
}
