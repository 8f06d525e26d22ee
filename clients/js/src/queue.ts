import { PushStreamError } from './errors.js';

/** What waits for one reader of an iterator. */
export class Queue<T> implements AsyncIterableIterator<T> {
  readonly #items: T[] = [];
  readonly #waiting: ((result: IteratorResult<T> | Promise<never>) => void)[] = [];
  #working = false;
  #over = false;
  #error: PushStreamError | null = null;

  /**
   * @param most How many items may wait.
   * @param drained Called when everything was taken, and the reader asks for more: it is done with what it had.
   * @param ended Called once, when nothing more is accepted.
   */
  constructor(
    private readonly most: number,
    private readonly drained: () => void,
    private readonly ended: () => void,
  ) {}

  /** Whether something waits for the reader, or it works on what it was given: it has not asked for more yet. */
  get busy(): boolean {
    return this.#working || this.#items.length > 0;
  }

  push(item: T): void {
    const next = this.#waiting.shift();
    if (next) {
      this.#working = true;
      next({ done: false, value: item });
    } else if (this.#items.length < this.most) this.#items.push(item);
    else this.end(new PushStreamError('overflow', `more than ${this.most} events wait to be read`, true));
  }

  /** Accepts nothing more. What waits is still given, and then the error, if there is one. */
  end(error: PushStreamError | null = null): void {
    if (this.#over) return;
    this.#over = true;
    this.ended();
    this.#error = error;
    if (this.#waiting.length) for (const next of this.#waiting.splice(0)) next(this.#last());
  }

  async next(): Promise<IteratorResult<T>> {
    const item = this.#items.shift();
    this.#working = item !== undefined;
    if (item !== undefined) return { done: false, value: item };
    this.drained();
    return this.#over ? this.#last() : new Promise((resolve) => this.#waiting.push(resolve));
  }

  async return(): Promise<IteratorResult<T>> {
    this.#items.length = 0;
    this.#working = false;
    this.end();
    this.#error = null;
    this.drained();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #last(): IteratorResult<T> | Promise<never> {
    const error = this.#error;
    this.#error = null;
    return error ? Promise.reject(error) : { done: true, value: undefined };
  }
}
