/** Networks at once whose keys are remembered. */
const MOST = 10_000;

/**
 * What stands for a network in the database: a keyed hash, so that the file says which messages came
 * from one network, but not from which.
 */
export class NetworkKeys {
  readonly #secret: Uint8Array;
  readonly #keys = new Map<string, string>();

  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  /** 96 bits in base64; undefined for a private network. */
  keyOf(network: string | undefined): string | undefined {
    if (network === undefined) return undefined;
    if (this.#keys.size >= MOST) this.#keys.clear();
    return this.#keys.getOrInsertComputed(network, () => {
      const hasher = new Bun.CryptoHasher("sha256", this.#secret);
      return hasher.update(`network ${network}`).digest("base64").slice(0, 16);
    });
  }
}
