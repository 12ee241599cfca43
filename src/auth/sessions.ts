import { timingSafeEqual } from "node:crypto";

/**
 * Sessions: how a client proves that it was here before. A session is a random id of 128 bits with a
 * signature under the broker's secret, so the server recognizes its own sessions without a list of
 * them. Inside the server the id alone names a session; whoever learns an id from the server's files
 * still cannot make its token.
 */
export interface Sessions {
  /** The id of a new session: 128 random bits. */
  create(): string;
  /** What the client receives and sends back: its secret. */
  tokenOf(id: string): string;
  /** The id in a token that this server has signed, or undefined. Compares in constant time. */
  idOf(token: string): string | undefined;
}

const ID_BYTES = 16;
const ID_LENGTH = 22;
const TOKEN = /^[\w-]{44}$/;

/** @param secret 32 random bytes */
export function createSessions(secret: Uint8Array): Sessions {
  // These buffers are reused, since many sessions are made at once when a server has started.
  const random = Buffer.alloc(ID_BYTES);
  const signed = Buffer.concat([secret, Buffer.alloc(ID_LENGTH)]);
  const digest = new Uint8Array(32);

  /** Half of SHA-512/256 over the secret and the id: unlike SHA-256, nobody can extend it. */
  function sign(id: string): string {
    signed.write(id, secret.length, "latin1");
    Bun.SHA512_256.hash(signed, digest);
    return Buffer.from(digest.buffer, 0, ID_BYTES).toString("base64url");
  }

  return {
    create: () => crypto.getRandomValues(random).toString("base64url"),
    tokenOf: (id) => id + sign(id),
    idOf(token) {
      if (!TOKEN.test(token)) return undefined;
      const id = token.slice(0, ID_LENGTH);
      const expected = Buffer.from(sign(id));
      return timingSafeEqual(expected, Buffer.from(token.slice(ID_LENGTH))) ? id : undefined;
    },
  };
}
