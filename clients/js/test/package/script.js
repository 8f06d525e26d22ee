// What a page sees of the build for script tags.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createContext, runInContext } from 'node:vm';

const script = readFileSync(new URL('../../dist/pushstream.iife.js', import.meta.url), 'utf8');
assert.match(script, /^\/\* PushStream .*https:\/\/github\.com\/pushstream\/pushstream.*License: Apache-2\.0 \*\/\n/);
const page = createContext({});
runInContext(script, page);
assert.deepEqual(Object.keys(page), ['PushStream']);
assert.equal(runInContext('new PushStream({ url: "/events" }).status', page), 'idle');
assert.equal(runInContext('typeof PushStream.PushStreamError + typeof PushStream.UnauthorizedError', page), 'functionfunction');
