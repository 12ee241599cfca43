import { dlopen, ptr } from "bun:ffi";

/**
 * Preloaded into a server on Linux: after SIGUSR2, every fsync of the process fails with EIO, as on a
 * disk that is about to die. A seccomp filter does that, which needs no privileges and stays for good.
 */

const CALLS: Record<string, { readonly fsyncs: readonly number[]; readonly seccomp: number }> = {
  x64: { fsyncs: [74, 75], seccomp: 317 },
  arm64: { fsyncs: [82, 83], seccomp: 277 },
};

const PR_SET_NO_NEW_PRIVS = 38n;
const SECCOMP_SET_MODE_FILTER = 1n;
const SECCOMP_FILTER_FLAG_TSYNC = 1n;

/** Of the filter: the number of the call, comparisons with it, and the two results. */
const LOAD_NUMBER = [0x20, 0, 0, 0] as const;
const RETURN_EIO = [0x06, 0, 0, 0x0005_0005] as const;
const RETURN_ALLOW = [0x06, 0, 0, 0x7fff_0000] as const;

function filterOf(calls: readonly number[]): DataView {
  const compare = calls.map((call, n) => [0x15, calls.length - n, 0, call] as const);
  const steps = [LOAD_NUMBER, ...compare, RETURN_ALLOW, RETURN_EIO];
  const filter = new DataView(new ArrayBuffer(8 * steps.length));
  for (const [n, [code, yes, no, k]] of steps.entries()) {
    filter.setUint16(8 * n, code, true);
    filter.setUint8(8 * n + 2, yes);
    filter.setUint8(8 * n + 3, no);
    filter.setUint32(8 * n + 4, k, true);
  }
  return filter;
}

function failEveryFsync(): void {
  const types = Array.from({ length: 6 }, () => "u64" as const);
  const libc = dlopen("libc.so.6", {
    prctl: { args: types.slice(1), returns: "i32" },
    syscall: { args: types, returns: "i64" },
  });
  const { fsyncs, seccomp } = CALLS[process.arch]!;
  const filter = filterOf(fsyncs);
  const program = new DataView(new ArrayBuffer(16));
  program.setUint16(0, filter.byteLength / 8, true);
  program.setBigUint64(8, BigInt(ptr(filter)), true);
  libc.symbols.prctl(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n);
  const args = [SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, BigInt(ptr(program))] as const;
  const result = libc.symbols.syscall(BigInt(seccomp), ...args, 0n, 0n);
  console.log(result === 0n ? "every fsync fails" : "no filter");
}

process.on("SIGUSR2", failEveryFsync);
