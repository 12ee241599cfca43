import { monitorEventLoopDelay } from "node:perf_hooks";

/**
 * Loaded before a server: tells how late its event loop was, in milliseconds. SIGUSR2 begins a
 * measurement, and writes the one before as a line to standard error.
 */

const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
process.on("SIGUSR2", () => {
  const p99 = delay.percentile(99) / 1e6;
  process.stderr.write(`${JSON.stringify({ p99, max: delay.max / 1e6 })}\n`);
  delay.reset();
});
