/**
 * Runs the tests: `npm test` all of them, `npm run test:fast` those that need nothing but Bun, and
 * `npm run chaos` those under attack and under faults in their long form, one after the other. Further arguments go to `bun test`: `npm test -- test/unit` runs that folder alone.
 */

/** A program that some tests run. */
interface Program {
  /** Its command, or other commands that do as well. */
  readonly commands: readonly string[];
  /** Its package on Debian and Ubuntu. */
  readonly debian: string;
  readonly tests: readonly string[];
}

const PROGRAMS: readonly Program[] = [
  {
    commands: ["chromium", "chromium-browser", "google-chrome"],
    debian: "chromium",
    tests: ["test/browser/"],
  },
  { commands: ["openssl"], debian: "openssl", tests: ["test/wire/tls.test.ts"] },
  { commands: ["prlimit"], debian: "util-linux", tests: ["test/wire/disk.test.ts"] },
  { commands: ["setpriv"], debian: "util-linux", tests: ["test/wire/database.test.ts"] },
  {
    commands: ["node"],
    debian: "nodejs",
    tests: ["test/wire/node.test.ts", "test/wire/client-node.test.ts"],
  },
  { commands: ["npm"], debian: "npm", tests: ["test/wire/hot.test.ts"] },
];

/** These run the compiled binary. */
const BINARY = ["test/wire/binary.test.ts"];
/** Under attack and under faults. */
const CHAOS = "test/chaos/";
/** These need nothing, but take long; one is for the load generator. */
const SLOW = [CHAOS, "test/wire/load.test.ts"];

const [first = "", ...rest] = Bun.argv.slice(2);
const fast = first === "--fast";
const chaos = first === "--chaos";
const args = fast || chaos ? rest : Bun.argv.slice(2);
if (chaos && !args.some((arg) => arg.startsWith("test"))) args.unshift(CHAOS);

/** Whether these tests are going to run, as far as the arguments tell. */
function selected(tests: readonly string[]): boolean {
  const paths = args.filter((arg) => arg.startsWith("test") || arg.startsWith("./"));
  if (paths.length === 0) return !fast;
  return tests.some((test) => paths.some((path) => test.includes(path) || path.includes(test)));
}

function missing(): Program[] {
  return PROGRAMS.filter(({ commands, debian, tests }) => {
    if (debian === "chromium" && process.env.CHROMIUM) return false;
    return selected(tests) && commands.every((command) => Bun.which(command) === null);
  });
}

/** @returns whether it succeeded; its errors are shown */
function run(...command: string[]): boolean {
  return Bun.spawnSync(command, { stdio: ["ignore", "ignore", "inherit"] }).exitCode === 0;
}

/** Installs the programs that are missing where that is possible, and else says what to install. */
function ensurePrograms(): void {
  const programs = missing();
  if (programs.length === 0) return;
  const packages = programs.map(({ debian }) => debian);
  const install = `apt-get install -y --no-install-recommends ${packages.join(" ")}`;
  console.error("Some tests need programs that are not installed:");
  for (const { debian, tests } of programs) {
    console.error(`  ${debian.padEnd(12)}for ${tests.join(", ")}`);
  }
  console.error("`npm run test:fast` needs none of them.");
  const mayInstall = Bun.which("apt-get") !== null && process.getuid?.() === 0;
  if (mayInstall && !process.env.NO_INSTALL) {
    console.error("Set NO_INSTALL=1 to install them yourself.");
    console.error(`Installing them now: ${install}`);
    run("apt-get", "update", "-qq");
    if (run(...install.split(" ")) && missing().length === 0) return;
  }
  console.error(`Install them and run the tests again. On Debian and Ubuntu, as root:`);
  console.error(`  apt-get update && ${install}`);
  process.exit(1);
}

const bun = process.execPath;
// Most tests wait most of the time, except for those in a browser.
const workers = Math.max(2, navigator.hardwareConcurrency) * (fast ? 2 : 1);
// Those that measure run alone.
const options = chaos ? [] : [`--parallel=${workers}`];
options.push("--timeout=60000");
if (fast) {
  const excluded = [...PROGRAMS.flatMap(({ tests }) => tests), ...BINARY, ...SLOW];
  options.push(...excluded.map((path) => `--path-ignore-patterns=${path}**`));
} else {
  ensurePrograms();
  if (selected(BINARY) && !run(bun, "run", "prod")) process.exit(1);
}
const { exitCode } = Bun.spawnSync([bun, "test", ...options, ...args], {
  stdio: ["ignore", "inherit", "inherit"],
  env: { ...process.env, ...(chaos ? { CHAOS: "long" } : {}) },
});
process.exit(exitCode);
export {};
