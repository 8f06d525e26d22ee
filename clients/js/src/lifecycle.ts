/** What a page does to a stream. Each can be called at any time, also for nothing. */
export interface PageLife {
  /** The page is kept for "back", or was hidden for long: it must hold no connection. */
  pause(): void;
  /** It is there again. */
  resume(): void;
  /** The machine has no network any more. */
  offline(): void;
  /** Waiting may have become pointless: there is a network, or somebody looks. */
  wake(): void;
}

/**
 * Follows the life of the page, until the function that it returns is called. Where there is no page, nothing happens.
 *
 * @param patience How long the page may be hidden, in milliseconds; false for ever.
 */
export function watchPage(life: PageLife, patience: number | false): () => void {
  const { window, document } = globalThis as { window?: Window; document?: Document };
  if (!window?.addEventListener || !document) return () => {};
  let timer: ReturnType<typeof setTimeout> | undefined;

  const visibility = () => {
    clearTimeout(timer);
    if (document.visibilityState !== 'hidden') {
      life.resume();
      life.wake();
    } else if (patience !== false) {
      timer = setTimeout(() => life.pause(), patience);
    }
  };
  const shown = () => {
    life.resume();
    visibility();
  };
  const listeners: [EventTarget, string, () => void][] = [
    [document, 'visibilitychange', visibility],
    [window, 'pagehide', () => life.pause()],
    [window, 'pageshow', shown],
    [window, 'offline', () => life.offline()],
    [window, 'online', () => life.wake()],
  ];
  for (const [target, type, listener] of listeners) target.addEventListener(type, listener);
  visibility();
  return () => {
    clearTimeout(timer);
    for (const [target, type, listener] of listeners) target.removeEventListener(type, listener);
  };
}
