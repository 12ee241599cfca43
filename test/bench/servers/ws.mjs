/** A channel at every path with `ws`, on Node: the broadcast of its own documentation. */
import { WebSocket, WebSocketServer } from "ws";

const server = new WebSocketServer({ port: 0, host: "127.0.0.1", backlog: 4096 });
const channels = new Map();

server.on("connection", (ws, request) => {
  let channel = channels.get(request.url);
  if (channel === undefined) channels.set(request.url, (channel = new Set()));
  channel.add(ws);
  ws.on("error", console.error);
  ws.on("close", () => channel.delete(ws));
  ws.on("message", (data, isBinary) => {
    channel.forEach((client) => {
      if (client.readyState === WebSocket.OPEN) client.send(data, { binary: isBinary });
    });
  });
});
server.on("listening", () => {
  console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}/` }));
});
