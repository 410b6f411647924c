// Does to a copy of the repository what connectors/README.md tells, word for word, as somebody would who trusts it.
// In: the copy, a free port of UDP. Out: the copy with the connector in it; on standard output what the guide has bash
// send. Where the guide does not say where something goes, this fails: nothing about the connector is known here.
//   node follow.mjs COPY PORT
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const [copy, port] = process.argv.slice(2);
const read = (path) => readFileSync(join(copy, path), 'utf8');
const write = (path, text) => writeFileSync(join(copy, path), text);
const guide = read('connectors/README.md').split(/^## /m)[0];

/** What stands before a block, the language of the block, what is in it. */
const blocks = [...guide.matchAll(/^(?<before>[^\n]+)\n\n```(?<language>[\w,]+)\n(?<text>.*?)^```$/gms)].map(({ groups }) => groups);

function the(what, found) {
  const all = blocks.filter(found);
  if (all.length !== 1) throw new Error(`the guide has ${all.length} blocks with ${what}, not one`);
  return all[0];
}

/** The guide's port is taken where many tests run. */
function elsewhere(text) {
  if (!text.includes('7118')) throw new Error(`no port 7118 in ${text}`);
  return text.replaceAll('7118', port);
}

// Whole files: their name stands before them.
for (const { before, text } of blocks) {
  const [, path] = /^`([^`]+)`:$/.exec(before) ?? [];
  if (!path) continue;
  if (existsSync(join(copy, path))) throw new Error(`${path} is there already`);
  mkdirSync(dirname(join(copy, path)), { recursive: true });
  write(path, text);
}

// Lines in tables of Cargo.toml.
const { text: tables } = the('lines for Cargo.toml', ({ language, text }) => language === 'toml' && text.startsWith('[features]'));
let manifest = read('Cargo.toml');
for (const [, table, lines] of tables.matchAll(/^(\[\w+\])\n((?:[^[\n].*\n)+)/gm)) {
  if (!manifest.includes(`\n${table}\n`)) throw new Error(`Cargo.toml has no table ${table}`);
  manifest = manifest.replace(`\n${table}\n`, (head) => head + lines);
}
write('Cargo.toml', manifest);

// The row of the registry.
const { text: row } = the('a row for the registry', ({ language, text }) => language.startsWith('rust') && /^ *#\[cfg\(feature/.test(text));
const [, list, registry] = /`(\w+)` in `(src\/[\w/]+\.rs)`/.exec(guide) ?? [];
if (!registry) throw new Error('the guide does not say where the registry is');
const rows = new RegExp(`^const ${list}: .* = &\\[\\n`, 'm');
if (!rows.test(read(registry))) throw new Error(`${registry} has no list ${list}`);
write(registry, read(registry).replace(rows, (head) => head + row));

// The configuration, and what to send.
const { text: section } = the('a section', ({ language, text }) => language === 'toml' && text.startsWith('[connectors.'));
write('turted.toml', `${read('turted.toml')}\n${elsewhere(section)}`);
console.log(elsewhere(the('something to send', ({ language }) => language === 'bash').text));
