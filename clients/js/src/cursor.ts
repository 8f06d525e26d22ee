/** Where cursors are kept. `localStorage` and `sessionStorage` are ones. Whatever it throws is ignored: see {@link Cursor}. */
export interface CursorStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** Which storage: the tab's own, that of all tabs, none, or one of your own. */
export type StorageOption = 'session' | 'local' | false | CursorStorage;

/**
 * How far a stream has read, and as whom. A cursor belongs to an identity, which only the server's hello tells; they are
 * kept together, so that one person's cursor never counts for another.
 *
 * A storage that fails costs the next page its cursor, and this one nothing.
 */
export class Cursor {
  /** The last id whose block was handled; null for none. */
  value: string | null = null;
  /** Whose it is; null as long as nobody said hello. */
  identity: string | null = null;
  #key = '';

  constructor(private readonly option: StorageOption) {}

  /**
   * Makes `key` the place where the cursor is kept. A stream that has one takes what it kept there along; else the one that
   * is there is taken. Returns whether it was.
   */
  use(key: string): boolean {
    const before = this.#key;
    if (key === before) return false;
    this.#key = key;
    if (this.value !== null) {
      this.#try((storage) => {
        const kept = storage.getItem(before);
        storage.removeItem(before);
        if (kept !== null) storage.setItem(key, kept);
      });
      return false;
    }
    const stored = read(this.#try((storage) => storage.getItem(key)));
    if (stored) [this.identity, this.value] = stored;
    return stored !== null;
  }

  save(): void {
    const { identity, value } = this;
    if (value !== null) this.#try((storage) => storage.setItem(this.#key, JSON.stringify([identity, value])));
  }

  /** Forgets the cursor, here and in the storage. */
  drop(): void {
    this.value = null;
    this.#try((storage) => storage.removeItem(this.#key));
  }

  #try<T>(use: (storage: CursorStorage) => T): T | undefined {
    try {
      // Asking for a storage can throw already, where cookies are blocked.
      const storage = typeof this.option === 'string' ? globalThis[`${this.option}Storage`] : this.option;
      return storage ? use(storage) : undefined;
    } catch {
      return undefined;
    }
  }
}

function read(text: string | null | undefined): [identity: string, value: string] | null {
  try {
    const [identity, value] = JSON.parse(text ?? '') as unknown[];
    if (typeof identity === 'string' && typeof value === 'string' && value) return [identity, value];
  } catch {
    // Somebody else's, or nothing.
  }
  return null;
}
