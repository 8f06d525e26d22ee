// Runs the tests of real nodes on Node 24 with version 5 of eventsource, and what imports the built package. All else is tested
// with the Node that runs this, and version 4.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const node = path(`node_modules/node-${process.platform}-${process.arch}/bin/node`);

if (process.platform !== 'linux' || !['arm64', 'x64'].includes(process.arch)) {
  console.log('Node 24: its binary is installed on Linux only, so nothing is run with it here.');
} else if (!existsSync(node)) {
  console.error('Node 24 is not installed: run scripts/setup npm-node24, or npm ci in test/node24.');
  process.exitCode = 1;
} else {
  for (const args of [
    ['node_modules/vitest/vitest.mjs', 'run', '--config', path('vitest.config.ts'), 'test/node/'],
    ['.package/consumer.mjs'],
    ['.package/consumer.cjs'],
  ]) {
    execFileSync(node, args, { cwd: path('../..'), stdio: 'inherit' });
  }
}
