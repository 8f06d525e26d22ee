// Uses the built-in page of a node as a visitor does, and prints what there was to see as JSON.
//
//   node page.mjs URL FOLDER PAYLOAD TOPIC
//
// PAYLOAD is published as data, TOPIC is the name of a topic that is then read and published to; both may look like markup.
// Screenshots go to FOLDER: light.png and dark.png.

import { join } from 'node:path';
import { launch } from './browser.mjs';

const [url, folder, payload, topic] = process.argv.slice(2);
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1100, height: 900 } });
const complaints = []; // whatever the page or the browser is not happy with
page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
page.on('pageerror', (error) => complaints.push(String(error)));
page.on('dialog', (dialog) => {
  complaints.push(`dialog: ${dialog.message()}`);
  dialog.dismiss();
});
await page.exposeFunction('complain', (text) => complaints.push(text));
await page.addInitScript(() => {
  document.addEventListener('securitypolicyviolation', (e) => window.complain(`policy: ${e.violatedDirective} ${e.blockedURI}`));
});

const status = page.locator('#status');
const answer = page.locator('#answer');
const items = page.locator('#events li');
const control = (name) => page.locator('#events li', { hasText: name }).first().waitFor();

async function publish(fields) {
  for (const [name, value] of Object.entries(fields)) {
    await page.locator(`#publish [name=${name}]`).fill(value);
  }
  await answer.evaluate((e) => { e.textContent = ''; });
  await page.click('#publish button');
  await page.waitForFunction(() => document.getElementById('answer').textContent);
  return answer.textContent();
}

const seen = {};
await page.goto(url);
await page.waitForFunction(() => document.getElementById('status').textContent === 'connected');
seen.status = await status.textContent();
await control('pushstream.hello');
await control('pushstream.live');

seen.stored = await publish({ data: JSON.stringify(payload) });
await items.filter({ hasText: seen.stored.replace('stored as ', '') }).waitFor();
seen.event = await items.first().innerText();
seen.refused = await publish({ type: 'pushstream.gap' });
seen.broken = await publish({ type: 'order.created', data: '{' });

for (const scheme of ['light', 'dark']) {
  await page.emulateMedia({ colorScheme: scheme });
  await page.screenshot({ path: join(folder, `${scheme}.png`), fullPage: true });
}

await page.locator('#read [name=topics]').fill(topic);
await page.click('#read button');
await page.waitForFunction(() => document.querySelectorAll('#events li').length > 4);
seen.toTopic = await publish({ target: `topic:${topic}`, data: '1' });
await items.filter({ hasText: seen.toTopic.replace('stored as ', '') }).waitFor();
seen.about = await items.first().locator('small').textContent();
seen.command = await page.locator('#curl-publish').textContent();
await page.click('#disconnect');
seen.disconnected = await status.textContent();
seen.alien = await page.locator('body :is(img, svg, iframe, a, b), body script').count();
seen.complaints = complaints;

console.log(JSON.stringify(seen));
await browser.close();
