import { channelOf } from "../protocol/channels.ts";

/** Which channels exist on a server, by the setting CHANNELS. */

/**
 * @param text channels with commas between them, where `*` stands for anything
 * @returns undefined if one of them cannot be a channel
 */
export function channelsOf(text: string): readonly string[] | undefined {
  const patterns: string[] = [];
  for (const part of text.split(",")) {
    const pattern = channelOf(part.trim().replace(/^\//, ""));
    if ("fault" in pattern) return undefined;
    patterns.push(pattern.id);
  }
  return patterns;
}

/** Whether a channel exists. @param id as of `channelOfPath` */
export function hasChannel(patterns: readonly string[], id: string): boolean {
  return patterns.some((pattern) => matches(pattern, id));
}

/** Takes time in proportion to both lengths at worst: a regular expression could take far more. */
function matches(pattern: string, id: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return id === pattern;
  if (!id.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = id.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return id.length - at >= last.length && id.endsWith(last);
}
