import { PROGRAMS } from "./shoal.ts";

/** The rows that a terminal shows after this output. Knows only the sequences that Shoal uses. */
export function rowsOf(output: string, columns: number): string[] {
  const rows: string[][] = [[]];
  let row = 0;
  let column = 0;
  for (const [part, count, command] of output.matchAll(/\x1b\[([\d;?]*)([A-Za-z])|[^]/gu)) {
    const number = Number(count || 0);
    if (command === "A") row -= number || 1;
    else if (command === "B") row += number || 1;
    else if (command === "C") column += number || 1;
    else if (command === "D") column -= number || 1;
    else if (command === "G") column = (number || 1) - 1;
    else if (command === "J") {
      rows.length = row + 1;
      rows[row]?.splice(column);
    } else if (command === "K") rows[row]?.splice(number === 2 ? 0 : column);
    else if (part === "\r") column = 0;
    else if (part === "\n") row++;
    else if (command === undefined) {
      if (column === columns) {
        column = 0;
        row++;
      }
      const line = (rows[row] ??= []);
      while (line.length < column) line.push(" ");
      line[column++] = part;
    }
    if (row < 0) throw new Error("above the first row");
    while (rows.length <= row) rows.push([]);
  }
  return rows.map((line) => line.join("").trimEnd());
}

export interface TerminalProgram {
  type(keys: string): void;
  /** Everything that was written. */
  output(): string;
  rows(): string[];
  /** Waits until the rows fit. */
  until(fits: (rows: string[]) => boolean): Promise<void>;
  readonly exited: Promise<number>;
  kill(): void;
}

/** Runs Shoal in a pseudo-terminal. */
export function inTerminal(args: string[], env: Record<string, string> = {}): TerminalProgram {
  const columns = 60;
  let output = "";
  const decoder = new TextDecoder();
  const child = Bun.spawn([...PROGRAMS.source, ...args], {
    env: { PATH: process.env.PATH, TERM: "xterm-256color", ...env },
    terminal: {
      cols: columns,
      rows: 30,
      data: (_, data) => {
        output += decoder.decode(data, { stream: true });
      },
    },
  });
  const self: TerminalProgram = {
    type: (keys) => void child.terminal?.write(keys),
    output: () => output,
    rows: () => rowsOf(output, columns),
    async until(fits) {
      const end = performance.now() + 10_000;
      while (!fits(self.rows())) {
        if (performance.now() > end) throw new Error(`not found in:\n${self.rows().join("\n")}`);
        await Bun.sleep(10);
      }
    },
    exited: child.exited.finally(() => child.terminal?.close()),
    kill: () => child.kill(),
  };
  return self;
}
