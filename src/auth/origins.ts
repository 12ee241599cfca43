import { isIP } from "node:net";

/** Which websites may connect through a browser: `*`, or a list of origins. */

const ORIGIN =
  /^(?:null|https?:\/\/(?:\*\.)?[\w.-]+(?::\d+)?|https?:\/\/\[[\da-f:.]+\](?::\d+)?)$/i;

/** @returns the origins in a list with commas, or undefined if one is wrong; "*" stands alone */
export function originsOf(text: string): readonly string[] | undefined {
  const origins = text.split(",").map((part) => withoutPort(part.trim().toLowerCase()));
  if (origins.length === 1 && origins[0] === "*") return origins;
  return origins.every((origin) => ORIGIN.test(origin)) ? origins : undefined;
}

/** Whether a browser may connect from this origin; null stands for a client that is not a browser. */
export function allowsOrigin(origins: readonly string[], origin: string | null): boolean {
  if (origin === null || origins[0] === "*") return true;
  const asked = origin.toLowerCase();
  return origins.some((one) => matches(one, asked));
}

/**
 * Whether a request may use this Host. A page that has its own name point at a private address
 * (DNS rebinding) has an origin that looks like the server's own.
 */
export function allowsHost(origins: readonly string[], host: string): boolean {
  if (origins[0] === "*") return true;
  const { hostname } = URL.parse(`http://${host}`) ?? { hostname: "" };
  if (hostname === "localhost" || isIP(hostname.replace(/^\[|\]$/g, "")) !== 0) return true;
  return origins.some((one) => {
    const [scheme = ""] = one.split("//");
    return matches(one, withoutPort(`${scheme}//${host.toLowerCase()}`));
  });
}

/** Browsers leave the usual port out of an origin. */
function withoutPort(origin: string): string {
  return origin.replace(/^(https:.*):443$|^(http:.*):80$/, "$1$2");
}

/** @param pattern an origin, or one with `*.` in place of any subdomains */
function matches(pattern: string, origin: string): boolean {
  const [scheme, rest = ""] = pattern.split("//");
  if (!rest.startsWith("*.")) return pattern === origin;
  const [askedScheme, asked = ""] = origin.split("//");
  return scheme === askedScheme && asked.endsWith(rest.slice(1)) && asked.length >= rest.length;
}
