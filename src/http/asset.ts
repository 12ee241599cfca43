/** A file that is served from memory, with a tag for caches and a compressed form. */
export interface Asset {
  readonly type: string;
  /** A weak one, since both forms have it (RFC 9110, section 8.8.1). */
  readonly tag: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly gzipped: Uint8Array<ArrayBuffer>;
}

export function pack(bytes: Uint8Array<ArrayBuffer>, type: string): Asset {
  return { type, tag: `W/"${Bun.hash(bytes).toString(36)}"`, bytes, gzipped: Bun.gzipSync(bytes) };
}

/** Accept-Encoding, if it has gzip with a weight above 0 (RFC 9110, section 12.5.3). */
const GZIP = /(?:^|,)\s*gzip\s*(?:;\s*q=(?:1|0\.\d*[1-9])|,|$)/i;

/** The asset, or that the client has it already; compressed if the client accepts that. */
export function answer(request: Request, asset: Asset, headers: Record<string, string>): Response {
  const all = {
    Vary: "Accept-Encoding",
    ...headers,
    ETag: asset.tag,
    "X-Content-Type-Options": "nosniff",
  };
  if (request.headers.get("if-none-match")?.includes(asset.tag) === true) {
    return new Response(null, { status: 304, headers: all });
  }
  const gzip = GZIP.test(request.headers.get("accept-encoding") ?? "");
  return new Response(gzip ? asset.gzipped : asset.bytes, {
    headers: {
      ...all,
      "Content-Type": asset.type,
      ...(gzip ? { "Content-Encoding": "gzip" } : {}),
    },
  });
}
