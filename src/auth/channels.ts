/** Which channels exist on a server, by the setting CHANNELS. */

/**
 * @param text channels with commas between them, where `*` stands for anything
 * @returns undefined if one is empty
 */
export function channelsOf(text: string): readonly RegExp[] | undefined {
  const patterns = text.split(",").map((part) => part.trim().normalize("NFC"));
  if (patterns.includes("")) return undefined;
  return patterns.map((pattern) => {
    const parts = pattern.split("*").map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, "\\$&"));
    return new RegExp(`^${parts.join(".*")}$`, "su");
  });
}

/** Whether a channel exists. @param id as of `channelOfPath` */
export function hasChannel(channels: readonly RegExp[], id: string): boolean {
  return channels.some((pattern) => pattern.test(id));
}
