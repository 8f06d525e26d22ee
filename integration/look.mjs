// Opens a page in a browser, waits until a selector matches, and prints what can be seen there as JSON:
//   {"text": of the match, "html": of the match, "state": text of #state, "alien": elements that only payloads can have made}
//
//   node look.mjs URL SELECTOR
//
// It prints {"ready": true} first, once #state says that the page follows something.

import { launch } from './browser.mjs';

const [url, selector] = process.argv.slice(2);
const browser = await launch();
const page = await browser.newPage();
const errors = [];
page.on('pageerror', (error) => errors.push(String(error)));
page.on('dialog', (dialog) => {
  errors.push(`dialog: ${dialog.message()}`);
  dialog.dismiss();
});

await page.goto(url);
await page.locator('#state', { hasText: /^Following/ }).waitFor(); // a page with a policy lets no script be evaluated
console.log(JSON.stringify({ ready: true }));

const match = page.locator(selector).first();
await match.waitFor();
console.log(
  JSON.stringify({
    text: await match.textContent(),
    html: await match.innerHTML(),
    state: await page.locator('#state').textContent(),
    alien: await page.locator('li :is(img, script, svg, a, b, iframe)').count(),
    errors,
  }),
);
await browser.close();
