// What the section "Behind a proxy" of the README says, made into files that a test can start. In: the README, what to
// cut out, and where to listen. Out: the file on standard output. It changes addresses and adds what a whole file
// needs; the words of the snippets stay.
//   node snippet.mjs README.md toml
//   node snippet.mjs README.md nginx FOLDER PORT UPSTREAM
//   node snippet.mjs README.md caddyfile FOLDER PORT UPSTREAM
import { readFileSync } from 'node:fs';

const [readme, language, folder, port, upstream] = process.argv.slice(2);

const section = /^## Behind a proxy\n(.*?)^## /ms.exec(readFileSync(readme, 'utf8'))?.[1];
if (!section) throw new Error(`${readme} has no section "Behind a proxy"`);
const fences = [...section.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))];
if (fences.length !== 1) throw new Error(`"Behind a proxy" has ${fences.length} blocks of ${language}, not one`);

/** The snippet with one part of it replaced, which must be there. */
function replaced(text, part, by) {
  if (text.split(part).length !== 2) throw new Error(`the block of ${language} must have "${part}" once`);
  return text.replace(part, by);
}

const files = {
  toml: (snippet) => replaced(snippet, 'listen = "127.0.0.1:7117"', 'listen = "127.0.0.1:0"'),
  // Around it: what Debian's nginx.conf sets that could matter, in one process that leaves nothing outside the folder.
  nginx: (snippet) => `
    daemon off;
    master_process off;
    pid ${folder}/nginx.pid;
    error_log stderr;
    events { worker_connections 768; }
    http {
      sendfile on;
      tcp_nopush on;
      gzip on;
      access_log off;
      ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join('\n')}
      ${replaced(replaced(snippet, 'listen 80;', `listen 127.0.0.1:${port};`), '127.0.0.1:7117', upstream)}
    }`,
  // Its certificate comes from an authority of its own, as nobody out there would sign one for this name.
  caddyfile: (snippet) => `{
    admin off
    default_bind 127.0.0.1
    https_port ${port}
    auto_https disable_redirects
    local_certs
    skip_install_trust
    storage file_system ${folder}/caddy
}
${replaced(snippet, '127.0.0.1:7117', upstream)}`,
};
console.log(files[language](fences[0][1]));
