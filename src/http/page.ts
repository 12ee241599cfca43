import { readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import page from "../web/index.html";
import { type Asset, answer, pack } from "./asset.ts";
import { badPath } from "./answers.ts";

/**
 * The page and its files. The binary has them ready-made. From source they are bundled when they are
 * first requested, and again once one of their files has changed, so that an edit shows on a reload.
 * They are not served by Bun's own routes for HTML, which answer every path with the page, invalid
 * ones too, and take no headers.
 */
export interface PageFiles {
  /** The page itself, for a browser that opens a channel or `/`. */
  page(request: Request): Promise<Response>;
  /** A file that the page loads, or undefined if this is not the path of one. */
  file(request: Request, pathname: string): Promise<Response> | undefined;
}

interface Output {
  readonly name: string;
  readonly type: string;
  readonly body: Blob;
}

type Assets = ReadonlyMap<string, Asset>;

/** Where the page's files are: no channel can have this path. */
const PLACE = "/-/page/";
const INDEX = "index.html";

/** Whatever the page does not need is forbidden, so that nothing foreign ever runs in it. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

export function createPageFiles(): PageFiles {
  let made: { readonly stamp: number; readonly assets: Promise<Assets> } | undefined;

  function assets(): Promise<Assets> {
    const stamp = page.files === undefined ? newest(dirname(page.index)) : 0;
    if (made?.stamp !== stamp) made = { stamp, assets: read() };
    return made.assets;
  }

  return {
    async page(request) {
      const asset = (await assets()).get(INDEX);
      if (asset === undefined) throw new Error("the page was not bundled");
      return answer(request, asset, {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": POLICY,
        "Referrer-Policy": "no-referrer",
        Vary: "Accept, Accept-Encoding",
      });
    },
    file(request, pathname) {
      if (!pathname.startsWith(PLACE)) return undefined;
      return assets().then((all) => {
        const asset = all.get(pathname.slice(PLACE.length));
        if (asset === undefined || asset === all.get(INDEX)) return badPath("reserved");
        // The name carries a hash of the content.
        return answer(request, asset, { "Cache-Control": "public, max-age=31536000, immutable" });
      });
    },
  };
}

/** When a file of the page, or of what it imports, was last changed. */
function newest(folder: string): number {
  const folders = [folder, join(folder, "../client"), join(folder, "../protocol")];
  const files = folders.flatMap((each) => readdirSync(each).map((name) => join(each, name)));
  return Math.max(...files.map((file) => statSync(file).mtimeMs));
}

async function read(): Promise<Assets> {
  const outputs = page.files === undefined ? await bundle() : embedded(page.files);
  const names = outputs.map(({ name }) => name).filter((name) => !name.endsWith(".html"));
  const entries = outputs.map(async ({ name, type, body }): Promise<[string, Asset]> => {
    if (!name.endsWith(".html"))
      return [name, pack(new Uint8Array(await body.arrayBuffer()), type)];
    const html = names.reduce(
      (text, each) => text.replaceAll(`"/${each}"`, `"${PLACE}${each}"`),
      (await body.text()).replaceAll('"./', '"/'),
    );
    return [INDEX, pack(new TextEncoder().encode(html), type)];
  });
  return new Map(await Promise.all(entries));
}

async function bundle(): Promise<Output[]> {
  const { outputs } = await Bun.build({ entrypoints: [page.index], minify: true });
  return outputs.map((body) => ({ name: basename(body.path), type: body.type, body }));
}

function embedded(files: NonNullable<typeof page.files>): Output[] {
  return files.map(({ path, headers }) => ({
    name: basename(path),
    type: headers["content-type"],
    body: Bun.file(path),
  }));
}
