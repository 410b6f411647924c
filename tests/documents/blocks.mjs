// What stands between fences in a Markdown file.
//
// In: a file below docs/. Out: its blocks in their order, each with its language, what the fence says after it, the name of
// the file that the line before it gives, and its text.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = process.env.ROOT ?? join(dirname(fileURLToPath(import.meta.url)), '../..');

export function blocks(name) {
  const page = readFileSync(join(root, 'docs', name), 'utf8');
  const fence = /(?<before>[^\n]*)\n\n```(?<language>\w*)(?: (?<note>\S+))?\n(?<text>.*?)^```$/gms;
  const found = [...page.matchAll(fence)].map(({ groups }) => ({ ...groups, file: /^`([^`]+)`/.exec(groups.before)?.[1] }));
  const fences = page.match(/^```/gm).length;
  if (fences !== 2 * found.length) throw new Error(`${name} has ${fences} fences and ${found.length} blocks after an empty line`);
  return found;
}

/** What a page calls 127.0.0.1:7117 and 127.0.0.1:8000 is elsewhere here. */
export function elsewhere(text, turted, backend) {
  return text.replaceAll('http://127.0.0.1:7117', turted).replaceAll('http://127.0.0.1:8000', backend);
}
