import { expect, test } from "bun:test";
import fc from "fast-check";
import { pathOf } from "../../src/web/channel.ts";
import { channelOfPath } from "../../src/protocol/channels.ts";

const HERE = "http://h/";

/** Paths of requests, with many special characters. */
const paths = fc
  .array(
    fc.oneof(fc.constantFrom("/", "/", ".", "%2F", "\\", "%5C", ":", "@", "?", "-"), fc.string()),
  )
  .map((parts) => new URL(`${HERE}${encodeURI(parts.join("").toWellFormed())}`).pathname);

function expectLink(id: string): void {
  const path = pathOf(id);
  if (path === undefined) {
    expect(id.split("/").some((part) => part === "." || part === "..")).toBe(true);
    return;
  }
  const url = new URL(path, HERE);
  expect(url.host).toBe("h");
  expect(url.search + url.hash).toBe("");
  expect(channelOfPath(url.pathname)).toEqual({ id });
}

test("a link to a channel stays on this server and leads to that channel, or does not exist", () => {
  fc.assert(
    fc.property(paths, (path) => {
      const channel = channelOfPath(path);
      if ("id" in channel) expectLink(channel.id);
    }),
    { numRuns: 2000 },
  );
});

test("slashes at either end are part of the channel", () => {
  for (const id of ["/example.com/x", "//example.com", "x/", "x//", "/", "a//b", "/\\x", "a/b"]) {
    expectLink(id);
  }
  expect(pathOf("/example.com/x")).toBe("/%2Fexample.com/x");
  expect(pathOf("../x")).toBeUndefined();
  expect(pathOf("a/.")).toBeUndefined();
});
