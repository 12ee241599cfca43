/** A channel for every handshake with Socket.IO, on Node: rooms, as its own documentation has it. */
import { createServer } from "node:http";
import { Server } from "socket.io";

const httpServer = createServer();
const io = new Server(httpServer, { transports: ["websocket"] });

io.on("connection", (socket) => {
  const { channel } = socket.handshake.query;
  socket.join(channel);
  socket.on("message", (message) => {
    io.to(channel).emit("message", message);
  });
});
httpServer.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(JSON.stringify({ url: `http://127.0.0.1:${httpServer.address().port}/` }));
});
