import { expect, test } from "bun:test";
import fc from "fast-check";
import { createSessions } from "../../src/auth/sessions.ts";

const secret = new Uint8Array(32).fill(7);
const sessions = createSessions(secret);

test("recognizes a session's token under the same secret only", () => {
  const id = sessions.create();
  expect(Buffer.from(id, "base64url").length * 8).toBe(128);
  const token = sessions.tokenOf(id);
  expect(sessions.idOf(token)).toBe(id);
  expect(sessions.tokenOf(id)).toBe(token);
  expect(createSessions(secret).idOf(token)).toBe(id);
  expect(createSessions(new Uint8Array(32)).idOf(token)).toBeUndefined();
});

test("no two sessions are alike", () => {
  expect(new Set(Array.from({ length: 10_000 }, () => sessions.create())).size).toBe(10_000);
});

test("rejects a token with any change in it", () => {
  const token = sessions.tokenOf(sessions.create());
  fc.assert(
    fc.property(fc.nat(43), fc.constantFrom(..."AZaz09-_é \n"), (place, letter) => {
      if (token[place] === letter) return;
      const changed = token.slice(0, place) + letter + token.slice(place + 1);
      expect(sessions.idOf(changed)).toBeUndefined();
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
      expect(sessions.idOf(text)).toBeUndefined();
    }),
  );
});
