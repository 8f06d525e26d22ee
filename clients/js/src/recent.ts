/** How many ids are kept to recognise events that come twice. */
const most = 512;

/** The events that came last, by their ids. */
export class Recent {
  readonly #ids = new Set<string>();

  /**
   * Returns whether an event was not seen before, and remembers it. An event has one id for all its targets, and for ever:
   * so the same id is the same event, whichever of its targets it names this time. One without an id is always new.
   */
  isNew(id: string | undefined): boolean {
    if (id === undefined) return true;
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    if (this.#ids.size > most) this.#ids.delete(this.#ids.values().next().value as string);
    return true;
  }

  clear(): void {
    this.#ids.clear();
  }
}
