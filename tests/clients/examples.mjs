// The examples of the READMEs, made into programs, so that they stay true.
// In: a README, a language, a folder. Out: one program per fenced block in that folder, whose names are printed.
//   node examples.mjs README.md php FOLDER URL
// The address in the examples becomes URL. What an example takes for granted (autoloading, imports, a client) stands here.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const [readme, language, folder, url] = process.argv.slice(2);

const programs = {
  php: (code, n) => [
    `example${n}.php`,
    `<?php declare(strict_types=1);\nrequire 'vendor/autoload.php';\n$turted = new Turted\\Client('${url}');\n${code}`,
  ],
  java: (code, n) => {
    const imports = 'java.net.http.HttpClient java.time.Duration java.util.List java.util.Map org.turted.TurtedClient org.turted.TurtedException org.turted.TurtedToken';
    const nested = 'Outcome Push Receipt'.split(' ').map((name) => `org.turted.TurtedClient.${name}`);
    const lines = [...imports.split(' '), ...nested].map((name) => `import ${name};\n`).join('');
    const client = code.includes('TurtedClient turted =') ? '' : `TurtedClient turted = TurtedClient.builder("${url}").build();\n`;
    return [`Example${n}.java`, `${lines}class Example${n} {\npublic static void main(String[] arguments) {\n${client}${code}}\n}\n`];
  },
  js: (code, n) => [`example${n}.${code.includes('require(') ? 'cjs' : 'mjs'}`, code],
};

mkdirSync(folder, { recursive: true });
const fence = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms');
const examples = [...readFileSync(readme, 'utf8').matchAll(fence)].map(([, code]) => code.replaceAll('http://127.0.0.1:7117', url));
if (examples.length === 0) throw new Error(`${readme} has no ${language} examples`);
examples.forEach((code, index) => {
  const [name, text] = programs[language](code, index + 1);
  writeFileSync(`${folder}/${name}`, text);
  console.log(name);
});
