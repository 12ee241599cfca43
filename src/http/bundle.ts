import { resolve } from "node:path";

/**
 * The client library as one minified ES module, for browsers that import it from a server. Import
 * this as a macro: the text then takes the place of the call, from source as in the compiled binary.
 */
export function readBundle(): string {
  const entry = resolve(import.meta.dir, "../client/client.ts");
  // Bun.build in a macro would wait for itself.
  const { stdout, stderr, exitCode } = Bun.spawnSync(
    [process.execPath, "build", "--minify", "--target=browser", entry],
    { env: { ...process.env, BUN_BE_BUN: "1" } },
  );
  if (exitCode !== 0) throw new Error(`The client library cannot be built: ${stderr.toString()}`);
  return stdout.toString();
}
