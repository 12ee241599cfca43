import { keyOf } from "../protocol/text.ts";

/** A number from a name, from which its colour is chosen, so that a name has one everywhere. */
export function hashOf(name: string): number {
  const key = keyOf(name);
  // FNV-1a.
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) {
    hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  }
  // Its low bits alone vary too little.
  return (hash ^ (hash >>> 15)) >>> 0;
}
