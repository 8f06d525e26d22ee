import type { Block } from '../connection.js';
import type { Frame } from './messages.js';

/** How many blocks are kept for tabs that come back. */
const most = 512;

/** What the leader's connection brought last, and what it read then. */
export class History {
  readonly #frames: (Frame & { readonly topics: readonly string[] })[] = [];

  /** Where the connection is; undefined for nowhere yet. */
  get cursor(): string | undefined {
    return this.#frames.at(-1)?.cursor;
  }

  /** Blocks without a cursor are live only, and never sent again. */
  add(frame: Frame, topics: readonly string[]): void {
    if (frame.cursor && this.#frames.push({ ...frame, topics }) > most) this.#frames.shift();
  }

  clear(): void {
    this.#frames.length = 0;
  }

  /**
   * What somebody missed who stands at a cursor, and now reads topics. Where that is not known, it begins with a gap: of
   * everything if the cursor is not here, of a topic if that was not read all the time.
   */
  since(cursor: string | null, topics: readonly string[]): Frame[] {
    // A cursor can be here several times: the first tells most, and telling twice is harmless.
    const index = this.#frames.findIndex((frame) => frame.cursor === cursor);
    const missed = index < 0 ? [] : this.#frames.slice(index + 1);
    const holes = topics.filter((topic) => missed.some((frame) => !frame.topics.includes(topic)));
    const targets = holes.map((topic) => `topic:${topic}`);
    // Without a cursor it begins now.
    if (cursor && (index < 0 || holes.length)) return [{ block: control('gap', { targets, reason: 'lost' }) }, ...missed];
    return missed;
  }
}

/** What a server itself says. */
export function control(type: string, data?: unknown): Block {
  return { type: `pushstream.${type}`, data };
}
