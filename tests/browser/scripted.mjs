// A server that does nothing by itself: a story takes each wire that a client opens, reads what the client said and answers.
// In: WebSockets. Out: wires with hear(), say() and ended. It refuses to know the protocol; the story is the script.
import { once } from 'node:events';
import { WebSocketServer } from 'ws';

/** Values that arrive before or after somebody waits for them. */
function inbox() {
  const values = [];
  const waiting = [];
  return {
    put: (value) => (waiting.length ? waiting.shift()(value) : values.push(value)),
    take: () => (values.length ? Promise.resolve(values.shift()) : new Promise((resolve) => waiting.push(resolve))),
    get size() {
      return values.length;
    },
  };
}

export async function scriptedServer() {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const wires = inbox();
  server.on('connection', (socket, request) => {
    const heard = inbox();
    socket.on('message', (text) => heard.put(JSON.parse(text)));
    wires.put({
      path: request.url,
      hear: heard.take,
      say: (...messages) => messages.forEach((message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message))),
      close: (code, reason) => socket.close(code, reason),
      cut: () => socket.terminate(),
      ended: once(socket, 'close'),
      get unheard() {
        return heard.size;
      },
    });
  });
  return {
    url: `ws://127.0.0.1:${server.address().port}`,
    wire: wires.take,
    get untaken() {
      return wires.size;
    },
    stop() {
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  };
}

/** Collects what a client tells its page: `next(event)` waits for the next one, `all(event)` is everything so far. */
export function listener(client, ...events) {
  const boxes = new Map(events.map((event) => [event, { box: inbox(), all: [] }]));
  for (const [event, { box, all }] of boxes) {
    client.on(event, (payload, meta) => {
      all.push(payload);
      box.put({ payload, meta });
    });
  }
  return { next: (event) => boxes.get(event).box.take(), all: (event) => boxes.get(event).all };
}
