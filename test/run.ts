/**
 * `npm test`: all tests. First comes what some of them need: the compiled binary, Chromium, openssl.
 * Words behind it go to `bun test`: `npm test -- test/unit`.
 */

/** A program of another package, and the package that has it on Debian and Ubuntu. */
interface Needed {
  readonly names: readonly string[];
  readonly debian: string;
}

const NEEDED: readonly Needed[] = [
  { names: ["chromium", "chromium-browser", "google-chrome"], debian: "chromium" },
  { names: ["openssl"], debian: "openssl" },
  { names: ["prlimit"], debian: "util-linux" },
  { names: ["ps"], debian: "procps" },
];

function missing(): string[] {
  return NEEDED.filter(({ names }) => names.every((name) => Bun.which(name) === null)).map(
    ({ debian }) => debian,
  );
}

function run(...command: string[]): boolean {
  return Bun.spawnSync(command, { stdio: ["ignore", "ignore", "inherit"] }).exitCode === 0;
}

const packages = missing();
if (packages.length > 0 && Bun.which("apt-get") !== null && process.getuid?.() === 0) {
  console.log(`Installing ${packages.join(", ")}, which some tests need.`);
  run("apt-get", "update", "-qq");
  run("apt-get", "install", "-y", "-qq", "--no-install-recommends", ...packages);
}
const still = missing();
if (still.length > 0) {
  console.error(`Some tests need ${still.join(", ")}. On Debian or Ubuntu, as root:`);
  console.error(`  apt-get update && apt-get install -y ${still.join(" ")}`);
  console.error("Elsewhere, install the packages of these names, so that they are in the PATH.");
  process.exit(1);
}

const bun = process.execPath;
if (!run(bun, "run", "prod")) process.exit(1);
const { exitCode } = Bun.spawnSync(
  [bun, "test", "--parallel=2", "--timeout=60000", ...Bun.argv.slice(2)],
  { stdio: ["ignore", "inherit", "inherit"] },
);
process.exit(exitCode);
export {};
