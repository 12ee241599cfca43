import { type Setting, SETTINGS } from "./settings.ts";

/** The settings of a server, in the units that {@link SETTINGS} names; "" stands for no path. */
export type Config = {
  readonly [K in keyof typeof SETTINGS]: NonNullable<ReturnType<(typeof SETTINGS)[K]["read"]>>;
};

/**
 * Reads the settings from variables; a missing or empty one gets its default.
 *
 * @param isFile whether there is a readable file at this path
 * @returns the config, or one sentence for every invalid setting
 */
export function readConfig(
  env: Readonly<Record<string, string | undefined>>,
  isFile: (path: string) => boolean,
): { readonly config: Config } | { readonly faults: readonly string[] } {
  const faults: string[] = [];
  const values: Record<string, unknown> = {};
  const store = env[SETTINGS.database.variable]?.trim() ? "database" : "memory";
  for (const [key, setting] of Object.entries<Setting<unknown>>(SETTINGS)) {
    const { variable, allowed, read } = setting;
    const text = env[variable]?.trim() || (setting.depends?.[store] ?? setting.default);
    const value = read(text);
    if (value === undefined) {
      faults.push(`${variable} is ${JSON.stringify(text)}, but must be ${allowed}.`);
    }
    values[key] = value;
  }
  const config = values as unknown as Config;
  if ((config.tlsCert === "") !== (config.tlsKey === "")) {
    faults.push("TLS_CERT and TLS_KEY go together: set both, or neither.");
  }
  for (const { variable } of [SETTINGS.tlsCert, SETTINGS.tlsKey]) {
    const path = env[variable]?.trim() ?? "";
    if (path !== "" && !isFile(path)) {
      faults.push(`${variable} is ${JSON.stringify(path)}, but no file can be read there.`);
    }
  }
  return faults.length > 0 ? { faults } : { config: Object.freeze(config) };
}

/** The ports that browsers refuse to connect to (Fetch standard, "port blocking"). */
const BAD_PORTS = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102,
  103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465,
  512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993,
  995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668,
  6669, 6679, 6697, 10080,
]);

/** Whether browsers refuse to connect to this port; other clients can. */
export function isBadPort(port: number): boolean {
  return BAD_PORTS.has(port);
}
