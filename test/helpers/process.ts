import { readFileSync } from "node:fs";

/** What a process takes. */

const LINUX = process.platform === "linux";

/**
 * The resident memory of a process, in bytes. Linux has /proc even where `ps` is missing.
 */
export function residentOf(pid: number): number {
  if (LINUX) {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
  }
  const { stdout } = Bun.spawnSync(["ps", "-o", "rss=", "-p", String(pid)]);
  return Number(stdout.toString()) * 1024;
}

/** Ticks a second, as Linux has them on every machine that Bun runs on. */
const TICKS = 100;

/** The seconds of CPU time that a process has used; 0 where there is no /proc. */
export function cpuSeconds(pid: number): number {
  if (!LINUX) return 0;
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

const PAGE = 4096;

/** Bytes that the kernel holds for all TCP sockets of the machine; 0 where there is no /proc. */
export function tcpMemory(): number {
  if (!LINUX) return 0;
  const stat = readFileSync("/proc/net/sockstat", "utf8");
  return Number(/^TCP: .* mem (\d+)$/m.exec(stat)![1]) * PAGE;
}
