// Tabs of a browser, for tests that do with them what people do. Each command is a line of JSON on standard input, and each
// is answered by a line on standard output with its number: {"number", "value"}, or {"number", "error"}.
//
//   node tabs.mjs [crowd]      crowd: for many profiles
//
//   {"number", "do": "open", "tab", "profile", "url"}   Tabs of a profile have storage, locks and connections in common.
//   {"number", "do": "reload" | "close" | "crash" | "away" | "back" | "offline" | "online", "tab"}
//   {"number", "do": "run", "tab", "script"}            The value of an expression.
//
// What pages do not catch, and what the browser complains about, is a line {"tab", "complaint"}; not so what it says of the
// network. The program ends when its standard input does.

import { createInterface } from 'node:readline';
import { launch } from './browser.mjs';

// Playwright lets no page be kept for "back", which people's browsers do.
const browser = await launch({ windows: process.argv[2] !== 'crowd', ignoreDefaultArgs: ['--disable-back-forward-cache'] });
const profiles = new Map();
const tabs = new Map();

const network = /^Failed to load resource|net::ERR_/;
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const commands = {
  async open({ tab, profile, url }) {
    if (!profiles.has(profile)) profiles.set(profile, browser.newContext());
    const page = await (await profiles.get(profile)).newPage();
    tabs.set(tab, page);
    page.on('pageerror', (error) => say({ tab, complaint: String(error) }));
    page.on('console', (message) => {
      const text = message.text();
      if (message.type() === 'error' && !network.test(text)) say({ tab, complaint: text });
    });
    page.on('dialog', (dialog) => dialog.dismiss());
    await page.goto(url);
  },
  reload: ({ page }) => page.reload(),
  close: ({ page }) => page.close(),
  crash({ page }) {
    page.goto('chrome://crash').catch(() => {}); // it has no answer to give
    return new Promise((done) => page.once('crash', () => done()));
  },
  away: ({ page }) => page.goto('about:blank'),
  back: ({ page }) => page.goBack({ waitUntil: 'commit' }), // a page that was kept is not loaded
  offline: ({ page }) => page.context().setOffline(true),
  online: ({ page }) => page.context().setOffline(false),
  run: ({ page, script }) => page.evaluate(script),
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  command.page = tabs.get(command.tab);
  Promise.resolve(command)
    .then(commands[command.do])
    .then(
      (value) => say({ number: command.number, value: command.do === 'run' ? value : null }),
      (error) => say({ number: command.number, error: error.message }),
    );
}
await browser.close();
process.exit(0);
