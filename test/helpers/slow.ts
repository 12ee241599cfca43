import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface SlowOptions {
  /** Bytes per second towards the client. */
  readonly rate?: number;
  /** Milliseconds that everything takes, each way. */
  readonly delay?: number;
}

/** A TCP proxy in front of a server, as slow as a bad line. @returns its address, with ws */
export async function slowLine(
  { port }: { readonly port: number },
  { rate = Infinity, delay = 0 }: SlowOptions,
): Promise<{ ws: string } & Disposable> {
  const sockets = new Set<Socket>();
  const proxy = createServer((client) => {
    const server = connect(port, "127.0.0.1");
    pass(client, server, () => delay);
    pass(server, client, (bytes) => delay + (1000 * bytes) / rate);
  });
  function pass(from: Socket, to: Socket, wait: (bytes: number) => number): void {
    sockets.add(from);
    from.on("data", (chunk) => {
      from.pause();
      setTimeout(() => {
        to.write(chunk);
        from.resume();
      }, wait(chunk.length));
    });
    from.on("error", () => to.destroy());
    from.on("close", () => to.destroy());
  }
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {
    ws: `ws://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    [Symbol.dispose]() {
      proxy.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
