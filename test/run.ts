/** `npm test`: builds the binary that some tests run, then runs all tests. */
const bun = process.execPath;
const built = Bun.spawnSync([bun, "run", "prod"], { stdio: ["ignore", "ignore", "inherit"] });
if (built.exitCode !== 0) process.exit(built.exitCode);
const tests = Bun.spawnSync(
  [bun, "test", "--parallel=2", "--timeout=60000", ...Bun.argv.slice(2)],
  {
    stdio: ["ignore", "inherit", "inherit"],
  },
);
process.exit(tests.exitCode);
export {};
