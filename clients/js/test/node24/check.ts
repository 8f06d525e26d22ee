// Without this, tests that ran on what all others run on would pass as well.
import assert from 'node:assert/strict';
import manifest from 'eventsource/package.json' with { type: 'json' };

assert.match(process.version, /^v24\./);
assert.match(manifest.version, /^5\./);
