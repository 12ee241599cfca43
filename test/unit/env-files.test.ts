import { expect, test } from "bun:test";
import { envFileFault, envFiles } from "../../src/env-files.ts";

test("a .env file in UTF-16 is known by its first bytes", () => {
  for (const text of ["", "PORT=1\n", "\ufeffPORT=1", "# Порт 🎣\nPORT=1"]) {
    expect(envFileFault(".env", Buffer.from(text))).toBeUndefined();
    if (text === "") continue;
    const little = Buffer.from(text, "utf16le");
    for (const bytes of [little, Buffer.from(little).swap16()]) {
      expect(envFileFault(".env", bytes)).toStartWith(".env is not UTF-8 text");
    }
  }
});

test("a file that only tests read stops no server", () => {
  expect(envFiles(undefined)).toContain(".env.production.local");
  expect(envFiles("production")).not.toContain(".env.test");
  expect(envFiles("test")).toContain(".env.test");
});
