import { readdirSync, readFileSync } from "node:fs";

/** What a process costs, as Linux tells it. Elsewhere all is undefined. */

export interface CpuMeter {
  /** CPU seconds of all threads since the process started, also of those that have ended since. */
  read(): number | undefined;
}

/** Precise to the nanosecond, where the 1/100 s of /proc/pid/stat would be too coarse. */
export function cpuMeter(pid: number): CpuMeter {
  const threads = new Map<string, number>();
  return {
    read() {
      for (const thread of list(`/proc/${pid}/task`)) {
        const nanos = text(`/proc/${pid}/task/${thread}/schedstat`).split(" ", 1)[0];
        if (nanos !== "") threads.set(thread, Number(nanos));
      }
      if (threads.size === 0) return undefined;
      return [...threads.values()].reduce((sum, nanos) => sum + nanos, 0) / 1e9;
    },
  };
}

/** Bytes of memory that are this process's: private pages, and its share of shared ones. */
export function memoryOf(pid: number): number | undefined {
  const pss = /^Pss:\s+(\d+) kB/m.exec(text(`/proc/${pid}/smaps_rollup`))?.[1];
  return pss === undefined ? undefined : Number(pss) * 1024;
}

/** The most bytes that were ever resident, shared pages included. */
export function peakOf(pid: number): number | undefined {
  const peak = /^VmHWM:\s+(\d+) kB/m.exec(text(`/proc/${pid}/status`))?.[1];
  return peak === undefined ? undefined : Number(peak) * 1024;
}

/** A thread may end between the listing and the reading, and not every system has /proc. */
function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
