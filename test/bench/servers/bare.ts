/**
 * The ceiling: Bun sends on what it gets, to everyone in the channel. Nothing is parsed, checked
 * or kept, so no chat server on Bun that sends each message at once can do with less.
 */
interface Data {
  readonly channel: string;
}

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  development: false,
  fetch(request, server) {
    const channel = new URL(request.url).pathname;
    if (server.upgrade(request, { data: { channel } })) return undefined;
    return new Response("Connect a WebSocket client.", { status: 426 });
  },
  websocket: {
    data: {} as Data,
    open: (ws) => void ws.subscribe(ws.data.channel),
    message: (ws, frame) => void server.publish(ws.data.channel, frame),
  },
});
console.log(JSON.stringify({ url: server.url.href }));
