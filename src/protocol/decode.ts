import type { TObject } from "typebox";
import { Compile, type Validator } from "typebox/compile";
import type { ErrorCode } from "./codes.ts";
import { type Command, PLAIN, V1 } from "./inbound.ts";
import { QUERY_LIMIT, REF_LIMIT } from "./limits.ts";

/** From a client's frame to a command: one parse and one compiled check. */

/** A frame that is not a command, and the code that it is rejected with. */
export interface Rejected {
  readonly type: "rejected";
  readonly code: ErrorCode;
  /** Whether it asked for a name, which has an answer of its own kind. */
  readonly identity?: boolean;
  readonly ref?: string | undefined;
}

/** A command; a message that is nothing but its text is that text, as a JSON string literal. */
export type Decoded = Command | string | Rejected;

const rejected = (code: ErrorCode): Rejected => ({ type: "rejected", code });
const INVALID_JSON = rejected("invalid_json");
const NOT_AN_OBJECT = rejected("not_an_object");
const BINARY_FRAME = rejected("binary_frame");
const UNKNOWN_TYPE = rejected("unknown_type");
const INVALID_FIELD = rejected("invalid_field");
const INVALID_IDENTITY: Rejected = { ...INVALID_FIELD, identity: true };

type Checks = ReadonlyMap<unknown, Validator>;

const PLAIN_CHECKS = checks(PLAIN);
const V1_CHECKS = checks(V1);

/** A Map, since an object would find `toString` and `__proto__` among its types. */
function checks(schemas: Record<string, TObject>): Checks {
  return new Map(Object.entries(schemas).map(([type, schema]) => [type, Compile(schema)]));
}

/**
 * What most clients send: `{"type":"message","text":"…"}` with nothing to unescape. Its text is read,
 * and written again, without JSON and without an object. Lone surrogates cannot occur, since a text
 * frame is valid UTF-8.
 */
const CANONICAL = /^\{"type":"message","text":"[^"\\\u0000-\u001f]*"\}$/;
const TEXT_AT = '{"type":"message","text":"'.length;

/**
 * The command in a client's frame, or why there is none.
 *
 * @param raw as Bun gives it: a string for a text frame, bytes for a binary one
 * @param v1 whether the client speaks `shoal.v1`
 */
export function decode(raw: string | Uint8Array, v1: boolean): Decoded {
  if (typeof raw !== "string") return BINARY_FRAME;
  // Put together anew, since a slice alone would keep the whole frame in memory.
  if (CANONICAL.test(raw)) return `"${raw.slice(TEXT_AT, -2)}"`;
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    return INVALID_JSON;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return NOT_AN_OBJECT;
  const { type, ref } = value as { type?: unknown; ref?: unknown };
  const check = (v1 ? V1_CHECKS : PLAIN_CHECKS).get(type);
  if (check === undefined) return UNKNOWN_TYPE;
  const command = value as Command;
  if (check.Check(command) && (!v1 || fieldsFit(command))) return command;
  if (type === "identity") return INVALID_IDENTITY;
  const answered = v1 && (type === "message" || type === "delete");
  return answered && isRef(ref) ? { ...INVALID_FIELD, ref } : INVALID_FIELD;
}

/** Whether this can be a message's `ref`. A store would change a lone surrogate into another. */
function isRef(ref: unknown): ref is string {
  return typeof ref === "string" && ref !== "" && ref.length <= REF_LIMIT && ref.isWellFormed();
}

/** What a schema cannot say, or says too slowly. */
function fieldsFit(command: Command): boolean {
  switch (command.type) {
    case "message":
    case "delete":
      return command.ref === undefined || isRef(command.ref);
    case "history": {
      const { after, before, around } = command;
      return [after, before, around].filter((id) => id !== undefined).length <= 1;
    }
    case "search":
      return command.query !== "" && command.query.length <= QUERY_LIMIT;
    default:
      return true;
  }
}
