// The TURTED 4 server, re-created in its idiomatic minimum on Socket.IO 4, as a peer to be measured against.
//
// In: IDENT, JOIN, LEAVE and ECHO from clients, POST /push/ from backends. Out: OK, ECHO and EVENT.
// It knows no authentication and keeps no state besides Socket.IO's own rooms.
//
//     PORT=7118 node socketio.mjs

import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer((request, response) => {
  const answer = (status, text) => {
    response.writeHead(status, { "Content-Type": "text/plain", "Content-Length": text.length });
    response.end(text);
  };
  if (request.method !== "POST") return answer(405, "Method Not Allowed");
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    let push;
    try {
      push = JSON.parse(Buffer.concat(chunks));
    } catch {
      return answer(400, "Data was not json");
    }
    dispatch(push);
    answer(200, "OK");
  });
});

const io = new Server(http);

io.on("connection", (socket) => {
  socket.on("IDENT", (data) => {
    const username = data?.username ?? data?.user;
    if (!username) return socket.emit("ERROR", "IDENT not verified");
    socket.join(`user:${username}`);
    socket.emit("OK", { username });
  });
  socket.on("JOIN", ({ channel }) => {
    socket.join(`channel:${channel}`);
    socket.emit("OK", { channel });
  });
  socket.on("LEAVE", ({ channel }) => {
    socket.leave(`channel:${channel}`);
    socket.emit("OK", { channel });
  });
  socket.on("ECHO", (data) => socket.emit("ECHO", data));
});

function dispatch({ event = "", targets = {}, payload = {} }) {
  const list = (names) => [names ?? []].flat();
  const rooms = [
    ...list(targets.users).map((name) => `user:${name}`),
    ...list(targets.channels).map((name) => `channel:${name}`),
  ];
  if (targets.broadcast) io.emit("EVENT", { event, payload });
  else if (rooms.length) io.to(rooms).emit("EVENT", { event, payload });
}

// Port 0 takes a free one; the line below tells which.
http.listen(process.env.PORT ?? 7118, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${http.address().port}`);
});
