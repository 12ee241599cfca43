/** The colour of a name: a hue from its key, so that it is the same for everyone, everywhere. */
export function hueOf(name: string): number {
  const key = name.toUpperCase().toLowerCase().normalize("NFKC");
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) {
    hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  }
  hash ^= hash >>> 15;
  // 24 hues, so that two that differ are seen to differ.
  return ((hash >>> 0) % 24) * 15;
}
