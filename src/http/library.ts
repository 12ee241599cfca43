import { answer, type Asset, pack } from "./asset.ts";

/** The client library for pages on any site: `import { connect } from ".../-/client.js"`. */
let library: Promise<Asset> | undefined;

export async function libraryFile(request: Request): Promise<Response> {
  library ??= make().catch((error: unknown) => {
    // The next request tries again.
    library = undefined;
    throw error;
  });
  return answer(request, await library, {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "public, max-age=300",
  });
}

/** From source the library is bundled now, when it is first asked for; the binary has it ready. */
async function make(): Promise<Asset> {
  const { CODE } = await import("./library-code.ts");
  return pack(new TextEncoder().encode(CODE), "text/javascript; charset=utf-8");
}
