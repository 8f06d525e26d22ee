import { describe, expect, it, vi } from 'vitest';
import { createSharedStream } from '../../src/share.js';
import { PushStream } from '../../src/stream.js';
import { Browser, type Tab } from './browser.js';
import { FakeEventSource, settle, useFakes } from './fake.js';

useFakes();

/** The connections that are open. */
const open = () => FakeEventSource.all.filter(({ closed }) => !closed);
const server = () => FakeEventSource.last;
const reads = () => server().url.searchParams.getAll('topic').sort();
/** Lets all happen that is due soon. */
const next = () => vi.advanceTimersByTimeAsync(60);

/** Tabs that are live, with one connection. */
async function tabs(...topics: string[][]) {
  const browser = new Browser();
  const pages: Tab[] = [];
  const streams = [];
  for (const list of topics) {
    const tab = browser.tab();
    pages.push(tab);
    streams.push(tab.open(list));
  }
  await next();
  server().hello('c0').live('c1');
  await next();
  for (const tab of pages) expect(tab.news).toEqual(['live false']);
  return { browser, pages: pages as [Tab, Tab, Tab], streams: streams as [(typeof streams)[0], (typeof streams)[0], (typeof streams)[0]] };
}

describe('tabs', () => {
  it('share one connection, which reads the topics of all', async () => {
    const { streams } = await tabs(['a'], ['b'], ['a', 'c']);
    expect(FakeEventSource.all).toHaveLength(1);
    expect(reads()).toEqual(['a', 'b', 'c']);
    expect(streams.map(({ status }) => status)).toEqual(['live', 'live', 'live']);
  });

  it('get the events of their own topics, and those that name no topic', async () => {
    const { pages } = await tabs(['a'], ['b'], []);
    server().event('e1', 'order.created', {}, 'topic:a').event('e2', 'order.created', {}, 'topic:b');
    server().event('e3', 'order.created', {}, 'user:alice').event('e4', 'order.created', {}, 'session:s').event('e5', 'x', 1, 'all');
    server().event('', 'order.created', {}, 'topic:b');
    await next();
    expect(pages.map((tab) => tab.news)).toEqual([
      ['e1', 'e3', 'e4', 'e5'],
      ['e2', 'e3', 'e4', 'e5', 'live only'],
      ['e3', 'e4', 'e5'],
    ]);
  });

  it('get the events of all topics if they say so', async () => {
    const browser = new Browser();
    const [one, two] = [browser.tab(), browser.tab()];
    one.open(['a']);
    two.open(['b'], { allTopics: true });
    await next();
    server().hello().live().event('e1', 'x', 1, 'topic:a');
    await next();
    expect([one.news, two.news]).toEqual([
      ['live false', 'e1'],
      ['live false', 'e1'],
    ]);
  });

  it('are told of the gaps of what they read', async () => {
    const { pages } = await tabs(['a'], ['b']);
    const gap = (...targets: string[]) => server().block('pushstream.gap', { targets, reason: 'trimmed' }, 'c1');
    gap('topic:a', 'user:alice');
    gap('topic:b');
    gap();
    await next();
    expect(pages.map((tab) => tab.news)).toEqual([
      ['gap trimmed topic:a,user:alice', 'gap trimmed '],
      ['gap trimmed user:alice', 'gap trimmed topic:b', 'gap trimmed '],
    ]);
  });

  it('are told of a gap that has no cursor, also when they come back later', async () => {
    const { pages } = await tabs([], []);
    const again = pages[1].reload();
    server().break();
    await vi.advanceTimersByTimeAsync(1000);
    server()
      .hello('')
      .block('pushstream.gap', { targets: ['all'], reason: 'lost' })
      .event('e1')
      .live('c2');
    await next();
    again.open();
    await next();
    expect(pages[0].news.slice(1)).toEqual(['gap lost all', 'e1', 'live memory']);
    expect(again.news).toEqual(['gap lost all', 'e1', 'live storage']);
  });

  it('hear of a machine without a network from the leader', async () => {
    const { pages, streams } = await tabs([], []);
    pages[1].window.dispatchEvent(new Event('offline'));
    await settle();
    expect(streams.map(({ status }) => status)).toEqual(['live', 'live']); // its own page has no connection
    pages[0].window.dispatchEvent(new Event('offline'));
    await settle();
    expect(streams.map(({ status }) => status)).toEqual(['waiting', 'waiting']);
    expect(pages.map((tab) => tab.news)).toEqual([['error network the machine is offline'], ['error network the machine is offline']]);
    expect(open()).toHaveLength(0);
  });

  it('of other keys, or urls, share nothing', async () => {
    const browser = new Browser();
    browser.tab().open();
    browser.tab().open([], { key: 'bob' });
    browser.tab().open([], { url: 'https://other.example/events' });
    await next();
    expect(open()).toHaveLength(3);
  });

  it('hear of interruptions and returns, whenever they came', async () => {
    const { browser, pages, streams } = await tabs([], []);
    server().break();
    await settle();
    expect(streams.map(({ status, error }) => [status, error?.code])).toEqual([
      ['waiting', 'network'],
      ['waiting', 'network'],
    ]);
    const late = browser.tab();
    const stream = late.open();
    await next();
    expect(stream.status).toBe('waiting');
    expect(late.news).toEqual(['error network the connection broke']);
    await vi.advanceTimersByTimeAsync(1000);
    expect(server().cursor).toBe('c1');
    expect(stream.status).toBe('connecting');
    server().hello();
    await settle();
    expect(stream.status).toBe('catching-up');
    server().event('e1').live('c2');
    await settle();
    expect(pages.map((tab) => tab.news)).toEqual(
      [['error network the connection broke', 'e1', 'live memory'], ['error network the connection broke', 'e1', 'live memory'], []].slice(
        0,
        2,
      ),
    );
    expect(late.news).toEqual(['e1', 'live false']);
    expect(open()).toHaveLength(1);
  });

  it('are not cut off by one that closes', async () => {
    const { pages, streams } = await tabs([], []);
    streams[1].close();
    await next();
    expect(open()).toHaveLength(1);
    server().event('e1');
    await settle();
    expect(pages.map((tab) => tab.news)).toEqual([['e1'], []]);
    expect(streams.map(({ status }) => status)).toEqual(['live', 'closed']);
  });

  it('can close and open, in a row and later', async () => {
    const tab = new Browser().tab();
    const stream = tab.open();
    tab.run(() => {
      stream.close();
      stream.connect();
    });
    await next();
    expect(FakeEventSource.all).toHaveLength(1);
    server().hello('c0').live('c1');
    await settle();
    stream.close();
    expect(open()).toHaveLength(0);
    tab.run(() => stream.connect());
    await next();
    expect(server().cursor).toBe('c1');
    expect(tab.news).toEqual(['live false']);
  });
});

describe('the next leader', () => {
  it('is no interruption while it asks the others what they want', async () => {
    const { pages, streams } = await tabs([], []);
    const seen: string[] = [];
    streams[1].onStatus((status) => seen.push(status));
    pages[0].crash();
    await next();
    server().hello().live('c2');
    await next();
    expect(seen).toEqual(['connecting', 'catching-up', 'live']);
  });

  it.each(['closes', 'crashes', 'is kept for "back"'])('goes on when the first one %s', async (how) => {
    const { pages, streams } = await tabs(['a'], ['b'], ['c']);
    const first = server();
    first.event('e1', 'x', 1, 'topic:c'); // nobody has heard it yet when the leader goes
    if (how === 'closes') streams[0].close();
    else if (how === 'crashes') pages[0].crash();
    else pages[0].window.dispatchEvent(new Event('pagehide'));
    await next();
    if (how !== 'crashes') expect(first.closed).toBe(true);
    expect(server()).not.toBe(first);
    expect(server().cursor).toBe('e1'); // both have heard it: what is said before is heard before
    expect(reads()).toEqual(['b', 'c']);
    server().hello().event('e1', 'x', 1, 'topic:c').event('e2', 'x', 1, 'all').live('c3');
    await next();
    expect(pages.map((tab) => tab.news)).toEqual([[], ['e2', 'live memory'], ['e1', 'e2', 'live memory']]);
  });

  it('loses no event that the one before did not hand on', async () => {
    const { pages } = await tabs([], []);
    pages[0].crash();
    server().event('e1'); // to a page that is gone
    await next();
    expect(server().cursor).toBe('c1');
    server().hello().event('e1').live('c2');
    await next();
    expect(pages[1].news).toEqual(['e1', 'live memory']);
  });

  it('comes one after the other', async () => {
    const { pages } = await tabs([], [], []);
    pages[0].crash();
    pages[1].crash();
    await next();
    expect(server().cursor).toBe('c1');
    server().hello().event('e1').live('c2');
    await next();
    expect(pages[2].news).toEqual(['e1', 'live memory']);
  });

  it('tells a page that comes back from "back" what it missed', async () => {
    const { pages, streams } = await tabs([], []);
    pages[0].window.dispatchEvent(new Event('pagehide'));
    expect(streams[0].status).toBe('paused');
    await next();
    server().hello().event('e1').live('c2');
    await next();
    pages[0].run(() => pages[0].window.dispatchEvent(new Event('pageshow')));
    await next();
    server().event('e2');
    await next();
    expect(pages[0].news).toEqual(['e1', 'live memory', 'e2']);
    expect(pages[1].news).toEqual(['e1', 'live memory', 'e2']);
    expect(open()).toHaveLength(1);
  });
});

describe('topics', () => {
  it('that a tab adds are read on a new connection from the same cursor, which all hear of', async () => {
    const { pages, streams } = await tabs(['a'], ['b']);
    streams[1].setTopics(['b', 'c']);
    await next();
    expect(open()).toHaveLength(1);
    expect(reads()).toEqual(['a', 'b', 'c']);
    expect(server().cursor).toBe('c1');
    server().hello().event('e1', 'x', 1, 'topic:c').live('c2');
    await next();
    expect(pages.map((tab) => tab.news)).toEqual([['live memory'], ['e1', 'live memory']]);
  });

  it('of tabs that come at once are added at once', async () => {
    const { browser } = await tabs(['a']);
    for (const topic of ['b', 'c', 'd']) browser.tab().open([topic]);
    await next();
    expect(FakeEventSource.all).toHaveLength(2);
    expect(reads()).toEqual(['a', 'b', 'c', 'd']);
  });

  it('that are read already cost no connection', async () => {
    const { pages, streams } = await tabs(['a', 'b'], ['b']);
    streams[1].setTopics(['a']);
    await next();
    expect(FakeEventSource.all).toHaveLength(1);
    expect(pages[1].news).toEqual(['live memory']);
    server().event('e1', 'x', 1, 'topic:a').event('e2', 'x', 1, 'topic:b');
    await next();
    expect(pages[1].news).toEqual(['e1']);
  });

  it.each(['closes', 'crashes', 'wants others'])('of a tab that %s are read until the next connection', async (how) => {
    const { browser, pages, streams } = await tabs(['a'], ['b']);
    if (how === 'closes') streams[1].close();
    else if (how === 'crashes') pages[1].crash();
    else streams[1].setTopics(['a']);
    await next();
    expect(FakeEventSource.all).toHaveLength(1);
    browser.tab().open(['c']);
    await next();
    expect(open()).toHaveLength(1);
    expect(reads()).toEqual(['a', 'c']);
  });

  it('that the leader adds are read with those of the others', async () => {
    const { pages, streams } = await tabs(['a'], ['b']);
    streams[0].setTopics(['c']);
    await next();
    expect(open()).toHaveLength(1);
    expect(reads()).toEqual(['b', 'c']);
    expect(server().cursor).toBe('c1');
    server().hello().event('e1', 'x', 1, 'topic:b').event('e2', 'x', 1, 'topic:c').live('c2');
    await next();
    expect(pages.map((tab) => tab.news)).toEqual([
      ['e2', 'live memory'],
      ['e1', 'live memory'],
    ]);
  });

  it('that are added while the server is awaited are read before they are answered', async () => {
    const { browser, pages } = await tabs(['a']);
    server().break();
    await vi.advanceTimersByTimeAsync(1000);
    const late = browser.tab();
    late.open(['b']);
    await next();
    server().hello().event('e1', 'x', 1, 'topic:a').live('c2');
    await next();
    expect(late.news).toEqual([]);
    expect(reads()).toEqual(['a', 'b']);
    expect(server().cursor).toBe('c2');
    server().hello().event('e2', 'x', 1, 'topic:b').live('c3');
    await next();
    expect(late.news).toEqual(['e2', 'live false']);
    expect(pages[0].news).toEqual(['error network the connection broke', 'e1', 'live memory', 'live memory']);
  });

  it('that are wanted while the connection waits do not make it come sooner', async () => {
    const { streams } = await tabs(['a'], ['b'], ['d']);
    server().bye({ reason: 'draining', reconnect_ms: 5000 });
    streams[1].setTopics(['c']);
    await vi.advanceTimersByTimeAsync(4990);
    expect(FakeEventSource.all).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(20);
    expect(reads()).toEqual(['a', 'c', 'd']);
  });
});

describe('a tab that is loaded again', () => {
  it('is told what it missed', async () => {
    const { pages } = await tabs(['a'], ['b']);
    server().event('e1', 'x', 1, 'topic:b');
    await next();
    const again = pages[1].reload();
    server().event('e2', 'x', 1, 'topic:b').event('e3', 'x', 1, 'topic:a').event('', 'x', 1, 'all');
    await next();
    again.open(['b']);
    await next();
    expect(again.news).toEqual(['e2', 'live storage']);
    expect(FakeEventSource.all).toHaveLength(1);
  });

  it('is told so when the leader was that tab', async () => {
    const { pages } = await tabs(['a'], ['a']);
    const again = pages[0].reload();
    await next();
    server().hello().event('e1', 'x', 1, 'topic:a').live('c2');
    await next();
    again.open(['a']);
    await next();
    expect(again.news).toEqual(['e1', 'live storage']);
  });

  it('goes on where it was when it is the only one', async () => {
    const { pages } = await tabs(['a']);
    const again = pages[0].reload();
    again.open(['a']);
    await next();
    expect(server().cursor).toBe('c1');
    server().hello().live('c2');
    await next();
    expect(again.news).toEqual(['live storage']);
  });

  it('is told of a gap when it comes too late', async () => {
    const { pages } = await tabs([], []);
    const again = pages[1].reload();
    for (let i = 1; i <= 512; i++) server().event(`e${i}`);
    again.open();
    await next();
    expect(again.news).toEqual(['gap lost ', 'live storage']);
    server().event('e513');
    await next();
    expect(again.news).toEqual(['e513']);
  });

  it('is told of a gap of the topics that were not read meanwhile', async () => {
    const { pages } = await tabs(['a'], ['a', 'b']);
    const again = pages[1].reload();
    server().break();
    await vi.advanceTimersByTimeAsync(1000);
    expect(reads()).toEqual(['a']);
    server().hello().live('c2').event('e1', 'x', 1, 'topic:a');
    await next();
    again.open(['a', 'b']);
    await next();
    server().hello().event('e2', 'x', 1, 'topic:b').live('c3');
    await next();
    expect(again.news).toEqual(['gap lost topic:b', 'e1', 'e2', 'live storage']);
  });

  it('keeps its cursor apart from those of other keys', async () => {
    const { browser, pages } = await tabs([]);
    pages[0].crash();
    const other = browser.tab();
    for (const [key, value] of pages[0].storage.items) other.storage.items.set(key, value);
    other.open([], { key: 'bob' });
    await next();
    expect(server().cursor).toBeNull();
  });
});

describe('somebody else', () => {
  it('is given nothing of what is not theirs: the tab has a connection of its own', async () => {
    const { browser, pages } = await tabs(['a']);
    const other = browser.tab();
    for (const key of pages[0].storage.items.keys()) other.storage.items.set(key, '["bob","b1"]');
    other.open(['a']);
    await next();
    expect(open()).toHaveLength(2);
    expect(server().cursor).toBe('b1');
    FakeEventSource.all[0]?.event('e1', 'x', 1, 'topic:a');
    server().hello('b1', { identity: 'bob' }).event('b2', 'x', 1, 'topic:a').live('b3');
    await next();
    expect(pages[0].news).toEqual(['e1']);
    expect(other.news).toEqual(['b2', 'live storage']);
    pages[0].crash(); // it does not wait to lead
    await next();
    expect(open()).toHaveLength(2);
  });

  it('is given nothing of what the leader received before it was theirs, though positions are the same', async () => {
    const { browser, pages } = await tabs([]);
    server().event('e1').break();
    await vi.advanceTimersByTimeAsync(1000);
    server().hello('e1', { identity: 'bob' });
    await next();
    server().hello('e2', { identity: 'bob' }).live('e2');
    await next();
    const other = browser.tab();
    for (const key of pages[0].storage.items.keys()) other.storage.items.set(key, '["bob","c1"]');
    other.open();
    await next();
    expect(other.news).toEqual(['gap lost ', 'live storage']);
    expect(open()).toHaveLength(1);
  });

  it('logged in for a moment: what was missed then is told to those that come back', async () => {
    const { pages } = await tabs([], []);
    const again = pages[1].reload();
    server().break();
    await vi.advanceTimersByTimeAsync(1000);
    server().hello('c1', { identity: 'bob' });
    await next();
    server().hello('a1').live('a2'); // alice again, who begins anew
    await next();
    again.open();
    await next();
    expect(again.news).toEqual(['gap lost ', 'live storage']);
  });

  it('logged in meanwhile: the leader begins anew, and each tab finds out by itself who it is', async () => {
    const { pages } = await tabs([], []);
    server().break();
    await vi.advanceTimersByTimeAsync(1000);
    server().hello('c1', { identity: 'bob' });
    await next();
    const [bob, alice] = open();
    expect([bob?.cursor, alice?.cursor]).toEqual([null, 'c1']);
    expect(open()).toHaveLength(2);
    bob?.hello('b0', { identity: 'bob' }).live('b1').event('b2');
    alice?.hello('c1', { identity: 'alice' }).event('e1').live('c2');
    await next();
    const broke = 'error network the connection broke';
    expect(pages[0].news).toEqual([broke, 'gap identity ', 'live false', 'b2']);
    expect(pages[1].news).toEqual([broke, 'e1', 'live memory']);
  });
});

describe('an end for good', () => {
  it('is that of a tab that asked for nothing else', async () => {
    const tab = new Browser().tab();
    const stream = tab.open(['a']);
    const iterator = tab.run(() => stream.events());
    await next();
    server().refuse(403);
    await next();
    expect(stream.status).toBe('closed');
    expect(tab.news).toEqual(['error forbidden status 403']);
    await expect(iterator.next()).rejects.toMatchObject({ code: 'forbidden', status: 403 });
    tab.run(() => stream.connect());
    await next();
    expect(open()).toHaveLength(1);
  });

  it("is nobody else's: each tab tries by itself, one after the other", async () => {
    const { browser, pages, streams } = await tabs(['a'], ['b']);
    const bad = browser.tab();
    const stream = bad.open(['secret']);
    await next();
    expect(reads()).toEqual(['a', 'b', 'secret']);
    server().refuse(403);
    await next();
    const of = (topics: string) => open().find(({ url }) => url.searchParams.getAll('topic').sort().join() === topics);
    of('a')?.hello().live('c2');
    of('b,secret')?.refuse(403);
    await next();
    of('b')?.hello().event('e1', 'x', 1, 'topic:b').live('c2');
    of('secret')?.refuse(403);
    await next();
    expect(stream.status).toBe('closed');
    expect(bad.news).toEqual(['error forbidden status 403']);
    expect(pages.map((tab) => tab.news)).toEqual([['live memory'], ['e1', 'live memory']]);
    expect(streams.map(({ status }) => status)).toEqual(['live', 'live']);
    expect(open()).toHaveLength(2);
  });

  it('of one that leads leaves the others, who share on', async () => {
    const { pages, streams } = await tabs(['a'], ['b'], ['c']);
    streams[0].close();
    streams[1].setTopics(['secret']);
    streams[2].close();
    await next();
    server().refuse(403);
    streams[0].connect();
    streams[2].connect();
    await next();
    expect(streams[1].status).toBe('closed');
    expect(open()).toHaveLength(1);
    expect(reads()).toEqual(['a', 'c']);
    server().hello().live('c2');
    await next();
    expect(pages.map((tab) => tab.news)).toEqual([['live memory'], ['error forbidden status 403'], ['live memory']]);
  });
});

describe('where nothing can be shared', () => {
  const options = { key: 'alice', url: 'https://events.example/events', EventSource: FakeEventSource };

  it('a stream has a connection of its own, and the console is told once', () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    vi.stubGlobal('navigator', {});
    expect(createSharedStream(options).constructor).toBe(PushStream);
    vi.stubGlobal('navigator', { locks: {} });
    vi.stubGlobal('BroadcastChannel', undefined);
    expect(createSharedStream(options).constructor).toBe(PushStream);
    expect(warn).toHaveBeenCalledTimes(1);
  });

  it('because locks are refused, it has one too', async () => {
    const tab = new Browser().tab();
    const request = vi.spyOn(tab.browser, 'request').mockImplementation((_name, { fail }) => fail(new DOMException('no', 'SecurityError')));
    tab.open(['a']);
    await next();
    expect(request).toHaveBeenCalled();
    server().hello().live().event('e1', 'x', 1, 'topic:a');
    await next();
    expect(tab.news).toEqual(['live false', 'e1']);
    await vi.advanceTimersByTimeAsync(0);
    expect(open()).toHaveLength(1);
  });

  it('it stays idle on a server', () => {
    const stream = createSharedStream({ key: 'alice', url: '/events' });
    stream.on('*', () => {});
    expect(stream.status).toBe('idle');
  });

  it.each([undefined, ''])('it needs a key, and %j is none', (key) => {
    expect(() => createSharedStream({ ...options, key: key as string })).toThrow(/needs a key/);
  });
});
