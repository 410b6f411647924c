// The backend's side of a story: POSTs to the push door as a TURTED backend sends them.
// In: TURTED_URL, TURTED_PASSWORD where the door has a lock. Out: events on their way, or a failed story. It refuses to know
// how they reach anybody.
import assert from 'node:assert/strict';

const door = new URL('/push/', process.env.TURTED_URL);
const auth = { password: process.env.TURTED_PASSWORD ?? 'nobody asks' };
/** Pushes per POST in `pushAll`. */
const LIST = 100;

async function post(body, accept = '*/*') {
  const headers = { Accept: accept, 'Content-Type': 'application/json' };
  const response = await fetch(door, { method: 'POST', headers, body: JSON.stringify(body) });
  const text = await response.text();
  assert.equal(response.status, 200, `the push was answered ${response.status} ${text}`);
  return text;
}

/** One event in one POST, answered as TURTED answers. */
export async function push(event, targets, payload) {
  assert.equal(await post({ event, targets, payload, auth }), 'OK');
}

/** Many events in order, each an `[event, targets, payload]`, in as few POSTs as are reasonable. */
export async function pushAll(events) {
  const pushes = events.map(([event, targets, payload]) => ({ event, targets, payload, auth }));
  while (pushes.length > 0) await post(pushes.splice(0, LIST));
}

/** How many connections an event reaches right now. */
export async function reach(event, targets) {
  return JSON.parse(await post({ event, targets, payload: null, auth }, 'application/json')).recipients;
}
