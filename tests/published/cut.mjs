// A stretch of cable between a client and the server that can be cut: a TCP proxy.
// In: the address of a server. Out: an address that leads there, while it is whole. It passes bytes on and refuses to read them.
import { once } from 'node:events';
import net from 'node:net';

/** Node.js cannot reset what it has already ended: the handle would stay open for ever. */
const reset = (socket) => (socket.writableEnded ? socket.destroy() : socket.resetAndDestroy());

export async function cable(target) {
  const { hostname, port } = new URL(target);
  const pairs = new Set();
  let severed = false;

  const server = net.createServer({ allowHalfOpen: true }, (near) => {
    near.on('error', () => {});
    if (severed) return reset(near);
    const far = net.connect({ host: hostname, port, allowHalfOpen: true });
    const pair = { near, far };
    pairs.add(pair);
    near.setNoDelay(true);
    far.setNoDelay(true);
    far.on('error', () => reset(near));
    near.on('error', () => reset(far));
    near.on('close', () => pair.held || far.destroy());
    far.on('close', () => {
      pairs.delete(pair);
      near.destroy();
    });
    near.pipe(far);
    far.pipe(near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Resets every connection, on both sides, and lets no new one through. */
    cut() {
      severed = true;
      for (const { near, far } of pairs) {
        reset(near);
        reset(far);
      }
    },
    /** Resets the connections of the client and lets no new one through; the server goes on believing in the old ones. */
    cutUnnoticed() {
      severed = true;
      for (const pair of pairs) {
        pair.held = true;
        pair.near.unpipe(pair.far);
        pair.near.removeAllListeners('error').on('error', () => {});
        pair.far.unpipe(pair.near);
        pair.far.resume();
        reset(pair.near);
      }
    },
    mend() {
      severed = false;
    },
    close() {
      this.cut();
      server.close();
    },
  };
}
