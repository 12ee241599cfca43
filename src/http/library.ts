import { readBundle } from "../client/bundle.ts" with { type: "macro" };
import { answer, pack } from "./asset.ts";

/** The client library, ready-made for pages on any site: `import { connect } from ".../-/client.js"`. */

const MODULE = pack(new TextEncoder().encode(readBundle()), "text/javascript; charset=utf-8");

/** @returns undefined where the path is another */
export function libraryFile(request: Request, pathname: string): Response | undefined {
  if (pathname !== "/-/client.js") return undefined;
  return answer(request, MODULE, {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "public, max-age=300",
  });
}
