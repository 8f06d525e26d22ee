// Opens a page in a browser, and prints a line of JSON whenever there is something to say:
//   {"shows": text of what SELECTOR matches}, when that changes
//   {"error": what a script or the browser itself complains about}
//   {"warns": what a script warns of}
//   {"did": LINE}
//
//   node show.mjs URL SELECTOR
//
// It does what the lines of its standard input say: reload, offline, online. It ends with its input.

import { createInterface } from 'node:readline';
import { launch } from './browser.mjs';

const [url, selector] = process.argv.slice(2);
const print = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const browser = await launch();
const context = await browser.newContext();
const page = await context.newPage();
page.on('console', (message) => {
  const kind = { error: 'error', warning: 'warns' }[message.type()];
  if (kind) {
    print({ [kind]: message.text() });
  }
});
page.on('pageerror', (error) => print({ error: String(error) }));
await page.exposeFunction('print', (shows) => print({ shows }));
await page.addInitScript((selector) => {
  let before;
  new MutationObserver(() => {
    const shows = document.querySelector(selector)?.textContent;
    if (shows !== undefined && shows !== before) {
      window.print(shows);
      before = shows;
    }
  }).observe(document, { childList: true, subtree: true, characterData: true });
}, selector);
await page.goto(url);
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'reload') {
    await page.reload();
  } else {
    await context.setOffline(line === 'offline');
  }
  print({ did: line });
}
await browser.close();
