import { heapStats } from "bun:jsc";
import { createMemoryData, MemoryBroker } from "../../src/broker/memory/memory.ts";
import { channelOfPath } from "../../src/protocol/channels.ts";
import { decode } from "../../src/protocol/decode.ts";
import { RULES } from "../contract/port.ts";

/**
 * A process of its own that measures what a history takes, and prints that beside what is counted:
 * `bun test/helpers/footprint.ts '{"channels":1000,"messages":100,"text":"hi"}'`. Its strings are made
 * as the server makes them.
 */

export interface Case {
  readonly channels: number;
  /** In each channel. */
  readonly messages: number;
  readonly text: string;
  /** Whether each channel belongs to another network. */
  readonly networks?: boolean;
}

export interface Footprint {
  /** Bytes for HISTORY_MEMORY. */
  readonly counted: number;
  /** Bytes by which the heap has grown, with what the allocator adds to each string. */
  readonly taken: number;
}

/** What a string takes beside its cell and its characters, which the heap does not count. */
const STRING_BYTES = 28;

function measure({ channels, messages, text, networks }: Case): Footprint {
  let now = 1_700_000_000_000;
  const clock = () => now;
  const rules = { ...RULES, history: { limit: 100, ttl: 1e12, memory: 1e12 } };
  const events = { message() {}, presence() {}, evicted() {}, gap() {} };
  const data = createMemoryData(new Uint8Array(32), 0);
  const broker = new MemoryBroker(data, { rules, clock, date: clock, events });
  const buffer = new Uint8Array(65_536);
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();

  /** A string as it comes from the network. */
  function received(raw: string): string {
    const { written } = encoder.encodeInto(raw, buffer);
    return decoder.decode(buffer.subarray(0, written));
  }

  function talk(n: number): void {
    const url = URL.parse(received(`http://127.0.0.1:6060/channel${n}`))!;
    const channel = channelOfPath(url.pathname);
    if ("fault" in channel) throw new Error(channel.fault);
    const user = JSON.stringify(received(`user ${n}`));
    const network = received(networks ? `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}` : "10.0.0.1");
    broker.join(channel.id, () => {});
    for (let m = 0; m < messages; m++) {
      now++;
      const decoded = decode(received(JSON.stringify({ type: "message", text: m + text })), false);
      const draft = { holder: {}, text: decoded as string, user, network };
      broker.publish(channel.id, draft, () => {});
    }
    broker.leave(channel.id);
  }

  function read(): Footprint {
    Bun.gc(true);
    const { heapSize, objectTypeCounts } = heapStats();
    const strings = (objectTypeCounts.string ?? 0) * STRING_BYTES;
    return { counted: data.history.accounts.bytes, taken: heapSize + strings };
  }
  // What the code itself takes once it has run does not count.
  const first = Math.ceil(channels / 4);
  for (let n = 0; n < first; n++) talk(n);
  const before = read();
  for (let n = first; n < first + channels; n++) talk(n);
  const after = read();
  return { counted: after.counted - before.counted, taken: after.taken - before.taken };
}

if (import.meta.main) {
  process.stdout.write(JSON.stringify(measure(JSON.parse(process.argv[2]!))));
}
