import { messageFrame, messageFrameV1 } from "../protocol/encode.ts";
import type { Audience } from "./channels.ts";

/** The audiences of the WebSockets: one for each protocol, each a topic of Bun's in each channel. */
export interface SocketAudiences {
  readonly plain: Audience;
  readonly v1: Audience;
}

/** @param publish sends one frame to all subscribers of a topic */
export function socketAudiences(publish: Audience["publish"]): SocketAudiences {
  return {
    plain: { kind: "plain", encode: messageFrame, publish, gap: undefined },
    v1: { kind: "v1", encode: messageFrameV1, publish, gap: undefined },
  };
}
