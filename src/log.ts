/** Events of the server for whoever runs it. Never the text of a message, never a session. */
export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

type Details = Readonly<Record<string, string | number | boolean>>;

export type Log = Record<Exclude<LogLevel, "silent">, (event: string, details?: Details) => void>;

export interface LogOptions {
  /** The least important level that is written. */
  readonly level: LogLevel;
  /** true: a line for people. false: a line of JSON. */
  readonly readable: boolean;
  readonly write: (line: string) => void;
  readonly clock: () => Date;
}

export function createLog({ level, readable, write, clock }: LogOptions): Log {
  const least = LOG_LEVELS.indexOf(level);

  function writer(of: LogLevel): (event: string, details?: Details) => void {
    if (LOG_LEVELS.indexOf(of) < least) return () => {};
    return (event, details = {}) => {
      const time = clock().toISOString();
      if (!readable) return write(JSON.stringify({ time, level: of, event, ...details }));
      const pairs = Object.entries(details).map(([key, value]) => `${key}=${printable(value)}`);
      write([time.slice(11, 19), of.padEnd(5), event, ...pairs].join(" "));
    };
  }

  return {
    debug: writer("debug"),
    info: writer("info"),
    warn: writer("warn"),
    error: writer("error"),
  };
}

/** Values from clients may hold spaces and escape sequences of terminals. */
function printable(value: string | number | boolean): string {
  const text = String(value);
  return /^[\w./:@%+-]+$/.test(text) ? text : JSON.stringify(text).replace(/[\x7f-\x9f]/g, "?");
}

/** An error for the log, with its stack. */
export function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? String(error)) : String(error);
}
