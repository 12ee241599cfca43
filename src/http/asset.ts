/** A file that is served from memory, with a tag for caches and in a packed form. */
export interface Asset {
  readonly type: string;
  readonly tag: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly gzipped: Uint8Array<ArrayBuffer>;
}

export function pack(bytes: Uint8Array<ArrayBuffer>, type: string): Asset {
  return { type, tag: `"${Bun.hash(bytes).toString(36)}"`, bytes, gzipped: Bun.gzipSync(bytes) };
}

/** The asset, or that the asker has it already; packed, where that is understood. */
export function answer(request: Request, asset: Asset, headers: Record<string, string>): Response {
  const all = { ...headers, ETag: asset.tag, "X-Content-Type-Options": "nosniff" };
  if (request.headers.get("if-none-match")?.includes(asset.tag) === true) {
    return new Response(null, { status: 304, headers: all });
  }
  const gzip = request.headers.get("accept-encoding")?.includes("gzip") === true;
  return new Response(gzip ? asset.gzipped : asset.bytes, {
    headers: {
      Vary: "Accept-Encoding",
      ...all,
      "Content-Type": asset.type,
      ...(gzip ? { "Content-Encoding": "gzip" } : {}),
    },
  });
}
