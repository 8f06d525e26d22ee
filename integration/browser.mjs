// A headless Chromium. Run as a program, this file only finds out whether there is one that starts.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome'];
// The same browser without its windows: each takes a second of a processor to open.
const lean = ['chromium-headless-shell', ...names];

// The first of the names in PATH; without one, Playwright looks for the browser that it downloaded itself.
function find(names) {
  for (const name of names) {
    for (const dir of process.env.PATH.split(delimiter)) {
      const path = join(dir, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // not there
      }
    }
  }
  return undefined;
}

export function launch({ windows = true, ...options } = {}) {
  return chromium.launch({
    ...options,
    executablePath: find(windows ? names : lean),
    channel: 'chromium', // of its own Playwright would take one without windows, which keeps no page for "back"
    headless: true,
    // Tests run as root in containers, where Chromium's sandbox cannot work; the pages are the tests' own.
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-dev-shm-usage'],
  });
}

if (process.argv[1] === import.meta.filename) {
  await (await launch()).close();
}
