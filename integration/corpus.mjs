// Reads streams with a browser's own EventSource, each until the server has no more of it, and prints what came as JSON:
//   {"path": PATH, "messages": [{"id": last event id, "type": TYPE, "data": TEXT}]}
//
//   node corpus.mjs ORIGIN
//
// What to read is the page at ORIGIN: [{"path": PATH, "types": [...]}]. All are asked for at once; the browser has six connections to an origin, and keeps the others waiting.

import { launch } from './browser.mjs';

const browser = await launch();
const page = await browser.newPage();
await page.exposeFunction('print', (text) => console.log(text));
const response = await page.goto(process.argv[2]);
await page.evaluate((tasks) => Promise.all(tasks.map(({ path, types }) => new Promise((done) => {
  const messages = [];
  const source = new EventSource(path);
  for (const type of new Set(types)) {
    source.addEventListener(type, (e) => messages.push({ id: e.lastEventId, type: e.type, data: e.data }));
  }
  source.addEventListener('error', () => {
    if (source.readyState === EventSource.CLOSED) {
      done(window.print(JSON.stringify({ path, messages })));
    }
  });
}))), await response.json());
await browser.close();
