import { EventSource, type EventSourceInit } from 'eventsource';
import { describe, expect, it } from 'vitest';
import { PushStream, type PushStreamOptions, UnauthorizedError } from '../../src/index.js';
import { Journal, publish, startNode, startWire, token } from './node.js';

const secret = '0123456789abcdef0123456789abcdef';
const key = 'fedcba9876543210fedcba9876543210';
const auth = {
  PUSHSTREAM_AUTH_SECRET: secret,
  PUSHSTREAM_AUTH_CLOCK_SKEW: '0s',
  PUSHSTREAM_AUTH_KEYS: JSON.stringify([{ name: 'test', key }]),
};

function read(at: string, options: Partial<PushStreamOptions> = {}, query = '') {
  const stream = new PushStream({ url: `${at}events${query}`, EventSource, backoff: { base: 20, cap: 200 }, ...options });
  return { stream, journal: new Journal(stream) };
}

const order = (n: number, target = 'topic:shop') => ({ target, type: 'order.created', data: n });
const line = (n: number, target = 'topic:shop') => `order.created ${target} ${n}`;

class MemoryStorage extends Map<string, string> {
  getItem = (name: string) => this.get(name) ?? null;
  setItem = (name: string, value: string) => void this.set(name, value);
  removeItem = (name: string) => void this.delete(name);
}

describe('a stream from a node', { timeout: 20_000 }, () => {
  it('has what is for the user, for all, and for its topics', async () => {
    const node = await startNode();
    const { stream, journal } = read(node.url, { topics: ['shop'] }, '?user=alice');
    await journal.until('live false');
    const events = stream.events('order.created', { target: 'user:alice' });
    const id = await publish(node, { ...order(1, 'user:alice'), meta: { shop: 'east' } });
    await publish(node, order(2, 'user:bob'));
    await publish(node, order(3, 'all'));
    await publish(node, { ...order(4), live_only: true });
    await journal.until(line(4));
    expect(journal.lines).toEqual(['live false', line(1, 'user:alice'), line(3, 'all'), line(4)]);
    expect((await events.next()).value).toMatchObject({ id, meta: { shop: 'east' }, time: expect.stringMatching(/Z$/) });
  });

  it('goes on where it was when its connection breaks', async () => {
    const node = await startNode();
    const wire = await startWire(node);
    const { journal } = read(wire.url, { topics: ['shop'] });
    await journal.until('live false');
    await publish(node, order(1));
    await journal.until(line(1));
    wire.cut();
    await publish(node, order(2));
    await publish(node, order(3));
    wire.mend();
    await journal.until('live memory');
    await publish(node, order(4));
    await journal.until(line(4));
    expect(journal.told).toEqual(['live false', line(1), line(2), line(3), 'live memory', line(4)]);
  });

  it('is told what was trimmed while it was away, and of nothing else', async () => {
    const node = await startNode({ args: ['--retention-length=5'] });
    const wire = await startWire(node);
    const { journal } = read(wire.url, { topics: ['shop', 'news'] });
    await journal.until('live false');
    wire.cut();
    for (let n = 1; n <= 10; n++) await publish(node, order(n));
    await publish(node, order(11, 'topic:news'));
    wire.mend();
    await journal.until('live memory');
    await publish(node, order(12));
    await journal.until(line(12));
    expect(journal.told).toEqual(['live false', 'gap trimmed topic:shop', line(11, 'topic:news'), 'live memory', line(12)]);
  });

  it('comes back to a node that was restarted, and is told that it has lost its history', async () => {
    const node = await startNode();
    const { journal } = read(node.url, { topics: ['shop'] });
    await journal.until('live false');
    await publish(node, order(1));
    await journal.until(line(1));
    await node.stop();
    const again = await startNode({ at: node.url });
    await journal.until('live memory');
    await publish(again, order(2));
    await journal.until(line(2));
    expect(journal.told).toEqual(['live false', line(1), 'gap lost all,topic:shop', 'live memory', line(2)]);
  });

  it('goes on in another page', async () => {
    const node = await startNode();
    const storage = new MemoryStorage();
    const first = read(node.url, { topics: ['shop'], storage });
    await first.journal.until('live false');
    await publish(node, order(1));
    await first.journal.until(line(1));
    first.stream.close();
    await publish(node, order(2));
    const second = read(node.url, { topics: ['shop'], storage });
    await second.journal.until('live storage');
    expect(second.journal.lines).toEqual([line(2), 'live storage']);
    second.stream.close();

    const bob = read(node.url, { topics: ['shop'], storage }, '?user=bob');
    await bob.journal.until('live false');
    expect(bob.journal.lines).toEqual(['live false']);
  });

  it('has a new topic from its cursor on', async () => {
    const node = await startNode();
    const { stream, journal } = read(node.url, { topics: ['shop'] });
    await publish(node, order(1, 'topic:news'));
    await journal.until('live false');
    await publish(node, order(2));
    await journal.until(line(2));
    await publish(node, order(3, 'topic:news'));
    stream.setTopics(['shop', 'news']);
    await journal.until('live memory');
    await publish(node, order(4, 'topic:news'));
    await journal.until(line(4, 'topic:news'));
    expect(journal.lines).toEqual(['live false', line(2), line(3, 'topic:news'), 'live memory', line(4, 'topic:news')]);
  });

  it('is closed by what does not pass', async () => {
    const node = await startNode();
    const { journal } = read(node.url, { topics: ['two words'] });
    await journal.until('error rejected 422');
    const { journal: elsewhere } = read(`${node.url}nothing/`);
    await elsewhere.until('error not_found 404');
    expect([journal.lines, elsewhere.lines]).toEqual([
      ['closed', 'error rejected 422'],
      ['closed', 'error not_found 404'],
    ]);
  });
});

describe('a stream that needs a token', { timeout: 20_000 }, () => {
  const alice = (...more: string[]) => token(secret, '--user', 'alice', '--topic', 'shop', ...more);

  it('connects with a ticket each time', async () => {
    const node = await startNode({ env: auth });
    const wire = await startWire(node);
    const { journal } = read(wire.url, { topics: ['shop'], getToken: () => alice() });
    await journal.until('live false');
    wire.cut();
    await publish(node, order(1), key);
    wire.mend();
    await journal.until('live memory');
    expect(journal.told).toEqual(['live false', line(1), 'live memory']);
  });

  it('is told what the token does not grant', async () => {
    const node = await startNode({ env: auth });
    const { journal } = read(node.url, { topics: ['wages'], getToken: () => alice() });
    await journal.until('error forbidden 403');
    expect(journal.lines).toEqual(['closed', 'error forbidden 403']);
  });

  // As a browser's EventSource would have it: it does not tell the status, and the ticket is used up.
  it('is told so where the EventSource does not tell', async () => {
    class Silent extends EventSource {
      override dispatchEvent(event: Event): boolean {
        return super.dispatchEvent(event.type === 'error' ? new Event('error') : event);
      }
    }
    const node = await startNode({ env: auth });
    const { journal } = read(node.url, { topics: ['wages'], getToken: () => alice(), EventSource: Silent });
    await journal.until('error forbidden 403');
    const { journal: none } = read(node.url, { EventSource: Silent });
    await none.until('error unauthorized 401');
    expect([...journal.lines, ...none.lines]).toEqual(['closed', 'error forbidden 403', 'closed', 'error unauthorized 401']);
  });

  it('asks once for another one', async () => {
    const node = await startNode({ env: auth });
    const asked: boolean[] = [];
    const { journal } = read(node.url, {
      getToken: ({ rejected }) => {
        asked.push(rejected);
        return rejected ? alice() : 'stale';
      },
    });
    await journal.until('live false');
    const { journal: hopeless } = read(node.url, { getToken: () => 'stale' });
    await hopeless.until('error unauthorized 401');
    const { journal: loggedOut } = read(node.url, { getToken: () => Promise.reject(new UnauthorizedError('log in')) });
    await loggedOut.until('error unauthorized null');
    expect(asked).toEqual([false, true]);
    expect(journal.lines).toEqual(['live false']);
  });

  it('gets another one when it expires', async () => {
    const node = await startNode({ env: auth });
    const asked: boolean[] = [];
    const { journal } = read(node.url, {
      getToken: ({ rejected }) => {
        asked.push(rejected);
        return rejected ? alice() : alice('--expires', '8s');
      },
    });
    await journal.until('live false');
    await journal.until('live memory');
    expect(asked).toEqual([false, true]);
    expect(journal.told).toEqual(['live false', 'live memory']);
  });

  it('begins anew when it is somebody else', async () => {
    const node = await startNode({ env: auth });
    const wire = await startWire(node);
    let who = 'alice';
    const { stream, journal } = read(wire.url, { topics: ['shop'], getToken: () => token(secret, '--user', who, '--topic', 'shop') });
    await journal.until('live false');
    const { identity } = stream;
    wire.cut();
    who = 'bob';
    await publish(node, order(1), key);
    wire.mend();
    await journal.until('live false', 1);
    await publish(node, order(2, 'user:alice'), key);
    await publish(node, order(3, 'user:bob'), key);
    await journal.until(line(3, 'user:bob'));
    expect(journal.told).toEqual(['live false', 'gap identity ', 'live false', line(3, 'user:bob')]);
    expect(stream.identity).not.toBe(identity);
  });

  it('can send it in a header, with a transport of its own', async () => {
    const node = await startNode({ env: auth });
    const bearer = alice();
    const withToken: typeof fetch = (input, init) => {
      const headers = new Headers(init?.headers);
      headers.set('Authorization', `Bearer ${bearer}`);
      return fetch(input, { ...init, headers });
    };
    class WithToken extends EventSource {
      constructor(url: string | URL, init?: EventSourceInit) {
        super(url, { ...init, fetch: withToken as NonNullable<EventSourceInit['fetch']> });
      }
    }
    const { journal } = read(node.url, { topics: ['shop'], EventSource: WithToken, fetch: withToken });
    await journal.until('live false');
    await publish(node, order(1), key);
    await journal.until(line(1));
  });
});
