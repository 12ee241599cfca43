import { readBundle } from "./bundle.ts" with { type: "macro" };

/** The client library as one minified module. This file is loaded only once somebody asks for it. */
export const CODE = readBundle();
