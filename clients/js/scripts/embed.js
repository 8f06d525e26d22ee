// Puts the build for script tags where the node embeds it for its built-in page. Its first line names source and license.
import { copyFile } from 'node:fs/promises';

const from = new URL('../dist/pushstream.iife.js', import.meta.url);
const to = new URL('../../../internal/httpapi/page/pushstream.js', import.meta.url);
await copyFile(from, to);
