import { hashOf } from "../client/colour.ts";

/** The hue of a name, in degrees: one of 24, so that two that differ look different. */
export function hueOf(name: string): number {
  return (hashOf(name) % 24) * 15;
}
