// Payloads that have broken servers before, and rows of events that show an order.
// In: a scene. Out: values, and what a client of that scene should have heard.

/** Two, three and four bytes of UTF-8, a line separator that JavaScript minds, what HTML and percent-decoding mind, and controls. */
export const FOREIGN = {
  text: 'Grüße €😀 \u2028\u2029 100% </script> "\\" \u0000\u001f\r\n\u200d\ufff0',
  Größe: ['é', 'Ã¼', '日本語'],
};

/** As long as a push may be that fits a server in its default configuration. */
export const LONG = { text: 'turted '.repeat(142_857) };

/** As long as clients may talk. */
export const LENGTHY = { text: 'turted '.repeat(8_000) };

const THOUSAND = Array.from({ length: 1_000 }, (_, number) => ({ number, filling: 'x'.repeat(number % 100) }));

/** A thousand events for the scene's user and channel in turn. */
export const thousand = (scene) =>
  THOUSAND.map((payload) => ['NEWS', payload.number % 2 ? { users: scene.user } : { channels: [scene.channel] }, payload]);

/** Throws unless the payloads are the thousand, each once and in order. */
export function assertThousand(assert, events) {
  const numbers = events.map(({ payload }) => payload.number);
  const wrong = numbers.findIndex((number, index) => number !== index);
  assert.equal(wrong, -1, `number ${numbers[wrong]} came where ${wrong} belongs`);
  assert.equal(numbers.length, 1_000);
  assert.deepEqual(events.at(-1).payload, THOUSAND.at(-1));
}
