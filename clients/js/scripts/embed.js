// Puts the build for script tags where the node embeds it. With --check it only says whether that is what is there: no node
// should have another client than the one beside it.
import { copyFileSync, existsSync, readFileSync } from 'node:fs';

const built = new URL('../dist/pushstream.iife.js', import.meta.url);
const embedded = new URL('../../../internal/httpapi/pushstream.js', import.meta.url);

if (!process.argv.includes('--check')) {
  copyFileSync(built, embedded);
} else if (!existsSync(embedded) || !readFileSync(embedded).equals(readFileSync(built))) {
  console.error('internal/httpapi/pushstream.js is not what clients/js builds: run `make embed-js`, and commit it');
  process.exitCode = 1;
}
