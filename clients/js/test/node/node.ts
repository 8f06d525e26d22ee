import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { inject, onTestFinished } from 'vitest';
import type { PushStream } from '../../src/index.js';

export interface Node {
  /** Its address, with a slash at the end. */
  readonly url: string;
  /** Stops it in good order, and waits for that. */
  stop(): Promise<void>;
}

/** Starts a node on a free port, or on that of a URL. It ends with the test. */
export async function startNode({ at = 'http://127.0.0.1:0', env = {} as NodeJS.ProcessEnv, args = [] as string[] } = {}): Promise<Node> {
  const child = spawn(
    inject('pushstreamd'),
    [
      '--listen',
      new URL(at).host || '127.0.0.1:0',
      '--admin=',
      '--log-format=json',
      '--drain-window=0s',
      '--drain-reconnect-rate=1000000',
      ...args,
    ],
    { env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const exited = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  for await (const line of createInterface({ input: child.stderr })) {
    const { message, url } = JSON.parse(line) as { message: string; url: string };
    if (message !== 'listening') continue;
    child.stderr.resume(); // or it would wait for us at some time
    return {
      url: `${url}/`,
      stop: async () => {
        child.kill('SIGTERM');
        await exited;
      },
    };
  }
  throw new Error('the node did not start');
}

/** Mints a token as an application would. */
export function token(secret: string, ...args: string[]): string {
  return execFileSync(inject('pushstreamd'), ['token', ...args], { encoding: 'utf8', env: { PUSHSTREAM_AUTH_SECRET: secret } }).trim();
}

/** Publishes, and returns the event's id; undefined for one that is live only. */
export async function publish(node: Node, event: object, key?: string): Promise<string | undefined> {
  const response = await fetch(new URL('events', node.url), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...(key && { Authorization: `Bearer ${key}` }) },
    body: JSON.stringify(event),
  });
  const answer = (await response.json()) as { id?: string };
  if (!response.ok) throw new Error(JSON.stringify(answer));
  return answer.id;
}

/** The network between a stream and its node. */
export interface Wire {
  readonly url: string;
  /** Breaks what is connected, and lets nobody through until `mend()`. */
  cut(): void;
  mend(): void;
}

export async function startWire(node: Node): Promise<Wire> {
  const sockets = new Set<Socket>();
  let whole = true;
  const server = createServer((near) => {
    const far = connect(Number(new URL(node.url).port), '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    if (!whole) near.destroy();
    near.pipe(far).pipe(near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    whole = false;
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(() => {
    cut();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}/`,
    cut,
    mend: () => {
      whole = true;
    },
  };
}

/** What a stream tells, in order, and waiting for it. */
export class Journal {
  readonly lines: string[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(stream: PushStream) {
    const add = (line: string) => {
      this.lines.push(line);
      for (const check of this.#waiting) check();
    };
    stream.on('*', ({ type, target, data }) => add(`${type} ${target} ${JSON.stringify(data)}`));
    stream.onGap(({ targets, reason }) => add(`gap ${reason} ${[...targets].sort().join()}`));
    stream.onLive(({ resumed }) => add(`live ${resumed}`));
    stream.onError(({ code, status }) => add(`error ${code} ${status}`));
    stream.onStatus((status) => status === 'closed' && add('closed'));
    onTestFinished(() => stream.close());
  }

  /** Waits until there is a line, from the `after`th on. */
  async until(line: string, after = 0): Promise<void> {
    while (!this.lines.slice(after).includes(line)) {
      await new Promise<void>((resolve) => {
        const check = () => {
          this.#waiting.delete(check);
          resolve();
        };
        this.#waiting.add(check);
      });
    }
  }

  /** The lines without interruptions that pass, of which there are some or others. */
  get told(): string[] {
    return this.lines.filter((line) => !/^error (network|unavailable|timeout)/.test(line));
  }
}
