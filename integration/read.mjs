// Reads streams with somebody else's EventSource, and prints each message as a line of JSON:
//   {"reader": NAME, "id": last event id, "type": TYPE, "data": TEXT}
//
//   node read.mjs eventsource|chromium '{"page": URL, "readers": [{"name", "url", "types": [...]}]}'
//
// types are the names of events to listen for besides unnamed messages. page is where the browser's tabs are opened. The
// program ends when its standard input does.

import { EventSource } from 'eventsource';
import { launch } from './browser.mjs';

const [kind, config] = process.argv.slice(2);
const { page: home, readers } = JSON.parse(config);

// Runs in the browser too, so it uses nothing but its arguments.
function listen(Source, { name, url, types }, print) {
  const source = new Source(url);
  for (const type of ['message', ...types]) {
    source.addEventListener(type, (e) => print({ reader: name, id: e.lastEventId, type: e.type, data: e.data }));
  }
  source.addEventListener('error', () => {
    if (source.readyState === Source.CLOSED) {
      print({ reader: name, type: 'closed' });
    }
  });
}

const print = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

let browser;
if (kind === 'chromium') {
  browser = await launch();
  for (const reader of readers) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.exposeFunction('print', print);
    await page.goto(home);
    await page.evaluate(`(${listen})(EventSource, ${JSON.stringify(reader)}, print)`);
  }
} else {
  for (const reader of readers) {
    listen(EventSource, reader, print);
  }
}

process.stdin.resume();
process.stdin.on('end', async () => {
  await browser?.close();
  process.exit(0);
});
