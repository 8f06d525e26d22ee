import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EventSource } from 'eventsource';
import manifest from 'eventsource/package.json' with { type: 'json' };
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

// What bytes mean is the business of the EventSource. Browsers bring theirs; in Node it is the package's. The format of
// the corpus is described beside it.

type Text = string | (string | { hex: string } | { repeat: string; times: number })[];

interface Case {
  name: string;
  stream: Text;
  limit?: number;
  messages: { id: string; type: string; data: Text }[];
}

const cases: Case[] = JSON.parse(readFileSync(new URL('../../../../testdata/sse/decode.json', import.meta.url), 'utf8'));

/** Where a version of the package hands over something else. Nodes write LF, and no byte order mark. */
const differences: Record<string, Record<string, (messages: Case['messages']) => Case['messages']>> = {
  4: {
    // It waits for what follows a CR, also at the end.
    'lines end with CR': (messages) => messages.slice(0, -1),
    'CR ends the last block at once': (messages) => messages.slice(0, -1),
  },
  5: {
    // Its decoder removes one, and its parser another one.
    'only one byte order mark is removed': (messages) => [{ id: '', type: 'message', data: 'a' }, ...messages],
  },
};
const [version = ''] = manifest.version.split('.');

function bytes(text: Text): Buffer {
  if (typeof text === 'string') return Buffer.from(text);
  return Buffer.concat(
    text.map((part) => {
      if (typeof part === 'string') return Buffer.from(part);
      return 'hex' in part ? Buffer.from(part.hex, 'hex') : Buffer.from(part.repeat.repeat(part.times));
    }),
  );
}

let server: Server;
let origin: string;

beforeAll(async () => {
  // The path is the case and the size of a chunk. Each chunk of the body is one of HTTP, and so arrives as one.
  server = createServer((request, response) => {
    const [, index, size] = (request.url ?? '').split('/').map(Number);
    const body = bytes(cases[index ?? 0]?.stream ?? '');
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    for (let at = 0; at < body.length; at += size || body.length) response.write(body.subarray(at, at + (size || body.length)));
    response.end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function read(path: string, types: Set<string>): Promise<{ id: string; type: string; data: string }[]> {
  return new Promise((resolve) => {
    const messages: { id: string; type: string; data: string }[] = [];
    const source = new EventSource(origin + path);
    for (const type of types) {
      source.addEventListener(type, (event: MessageEvent) => {
        if (event instanceof MessageEvent) messages.push({ id: event.lastEventId, type: event.type, data: event.data });
      });
    }
    source.onerror = () => {
      source.close();
      resolve(messages);
    };
  });
}

describe.each([
  ['whole', 0],
  ['in chunks of one byte', 1],
  ['in chunks of two bytes', 2],
])('the wire corpus, %s', (_, size) => {
  // It has no limit.
  it.each(cases.map((c, index) => ({ ...c, index })).filter((c) => c.limit === undefined))('$name', async ({ name, messages, index }) => {
    const expected = differences[version]?.[name]?.(messages) ?? messages;
    const got = await read(`/${index}/${size}`, new Set(['message', ...messages.map((m) => m.type)]));
    const text = (m: { type: string; data: Text }) => ({ type: m.type, data: bytes(m.data).toString() });
    expect(got.map(text)).toEqual(expected.map(text));
    // The package gives the id of the block, not the last one that there was. The client takes none for "where it was".
    for (const [n, message] of got.entries()) expect(['', expected[n]?.id]).toContain(message.id);
  });
});
