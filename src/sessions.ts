import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/**
 * Sessions: how a client proves that it is the one that was here before. A session is a random id
 * of 128 bits with a signature under the broker's secret, so the server knows its own sessions
 * again without keeping a list of them. The id alone names a session inside of the server; who
 * learns an id from its files still can not make the session of it.
 */
export interface Sessions {
  /** The id of a new session: 128 random bits. */
  create(): string;
  /** What the client is given, and gives back: its secret. */
  tokenOf(id: string): string;
  /** The id in a token that this server has signed, or undefined. Compares in constant time. */
  idOf(token: string): string | undefined;
}

const ID_BYTES = 16;
const ID_LENGTH = 22;
const TOKEN = /^[\w-]{44}$/;

/** @param secret 32 random bytes */
export function createSessions(secret: Uint8Array): Sessions {
  function sign(id: string): string {
    const signature = createHmac("sha256", secret).update(id).digest();
    return signature.subarray(0, ID_BYTES).toString("base64url");
  }

  return {
    create: () => randomBytes(ID_BYTES).toString("base64url"),
    tokenOf: (id) => id + sign(id),
    idOf(token) {
      if (!TOKEN.test(token)) return undefined;
      const id = token.slice(0, ID_LENGTH);
      const expected = Buffer.from(sign(id));
      return timingSafeEqual(expected, Buffer.from(token.slice(ID_LENGTH))) ? id : undefined;
    },
  };
}
