// Accepts the documents named on the command line, or says what is wrong with them.
import { readFile } from 'node:fs/promises';
import { Parser } from '@asyncapi/parser';

const ERROR = 0; // warnings and hints are advice
const parser = new Parser();
let refused = 0;

for (const file of process.argv.slice(2)) {
  const { document, diagnostics } = await parser.parse(await readFile(file, 'utf8'));
  const errors = diagnostics.filter(({ severity }) => severity === ERROR);
  for (const { code, message, path } of errors) console.log(`${file}: ${path.join('.')}: ${message} (${code})`);
  if (document && errors.length === 0) {
    const { length: channels } = document.channels();
    const { length: messages } = document.messages();
    const { length: operations } = document.operations();
    console.log(`${file}: accepted, ${channels} channels, ${messages} messages, ${operations} operations`);
  } else {
    refused += 1;
  }
}
process.exitCode = refused ? 1 : 0;
