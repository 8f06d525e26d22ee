// Uses the built-in page of a node as a visitor does, and prints what there was to see as JSON: a line halfway, and one at the end.
//
//   node page.mjs URL FOLDER PAYLOAD TOPIC
//
// PAYLOAD is published as data, TOPIC is the name of a topic that is then read and published to; both may look like markup.
// Screenshots go to FOLDER: of the page with events, and with a gap and a refusal; wide and narrow, light and dark.

import { join } from 'node:path';
import axe from 'axe-core';
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
const events = page.locator('#events li.event');
const statusIs = (text) => page.waitForFunction((text) => document.getElementById('status').textContent.startsWith(text), text);

async function publish(fields) {
  for (const [name, value] of Object.entries(fields)) {
    await page.locator(`#publish [name=${name}]`).fill(value);
  }
  await answer.evaluate((e) => { e.textContent = ''; });
  await page.click('#publish button');
  await page.waitForFunction(() => document.getElementById('answer').textContent);
  return answer.textContent();
}

// Publishes without the page.
async function elsewhere(data) {
  const response = await fetch(new URL('events', url), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ target: 'user:alice', type: 'order.created', data }),
  });
  if (!response.ok) throw new Error(`status ${response.status}`);
}

const seen = {};

// What somebody who cannot see the page well, or at all, would stumble over. The page's policy keeps foreign scripts out, so
// this one comes by the debugger.
seen.barriers = [];
async function look(name) {
  for (const [size, width] of [['wide', 1100], ['narrow', 400]]) {
    await page.setViewportSize({ width, height: 900 });
    for (const scheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.screenshot({ path: join(folder, `${name}-${size}-${scheme}.png`), fullPage: true });
      await page.evaluate(axe.source);
      const { violations, incomplete, passes } = await page.evaluate(() => window.axe.run());
      const barriers = [...violations, ...incomplete].map(
        ({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ target }) => target).join(', ')}`,
      );
      if (!passes.some(({ id }) => id === 'color-contrast')) barriers.push('nobody looked at colors');
      if (await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth)) barriers.push('has to be scrolled sideways');
      seen.barriers.push(...barriers.map((barrier) => `${name}, ${size}, ${scheme}: ${barrier}`));
    }
  }
  await page.setViewportSize({ width: 1100, height: 900 });
}

await page.goto(url);
await statusIs('live');
seen.status = await status.textContent();
seen.began = await items.first().innerText();

seen.stored = await publish({ data: JSON.stringify(payload) });
await events.filter({ hasText: seen.stored.replace('stored as ', '') }).waitFor();
seen.event = await events.first().innerText();
seen.refused = await publish({ type: 'pushstream.gap' });
seen.broken = await publish({ type: 'order.created', data: '{' });
await page.locator('#read [name=user]').focus();
await look('events');
console.log(JSON.stringify(seen));

// Loaded again during traffic. While the script is held back, the old page is gone, and the new one reads nothing yet.
const shown = async () => (await events.locator('pre').allTextContents()).filter((text) => /^\d+$/.test(text));
await elsewhere(1);
await events.filter({ hasText: /^order.created1/ }).waitFor();
await page.route('**/pushstream.js', async (route) => {
  for (const number of [2, 3]) await elsewhere(number);
  await route.continue();
});
await page.reload();
await page.unroute('**/pushstream.js');
await statusIs('live');
await elsewhere(4);
await events.filter({ hasText: /^order.created4/ }).waitFor();
seen.reloaded = await shown();
seen.resumed = await items.filter({ hasText: 'Live' }).innerText();

// Closed, and loaded again: the same. The form begins anew.
await page.click('#disconnect');
seen.disconnected = await status.textContent();
await elsewhere(5);
await page.reload();
await events.filter({ hasText: /^order.created5/ }).waitFor();
seen.reopened = await shown();
await statusIs('live');
await page.click('#disconnect');
await elsewhere(6);
await page.click('#connect');
await statusIs('live');
seen.anew = await items.first().innerText();
await page.locator('#read [name=topics]').fill(topic);
await page.click('#connect');
await statusIs('live');
seen.toTopic = await publish({ target: `topic:${topic}`, data: '7' });
await events.filter({ hasText: seen.toTopic.replace('stored as ', '') }).waitFor();
seen.afterwards = await shown();
seen.about = await events.first().locator('small').textContent();
seen.command = await page.locator('#curl-publish').textContent();
await page.reload();
seen.kept = await page.locator('#read [name=topics]').inputValue();
await statusIs('live');

// A gap, and a refusal: as the node and the client tell them.
await page.addInitScript(() => {
  for (const [key, value] of Object.entries(sessionStorage)) {
    const [identity] = JSON.parse(value);
    sessionStorage.setItem(key, JSON.stringify([identity, 'forgotten.1-1']));
  }
});
await page.reload();
await page.locator('#events li.gap').waitFor();
await statusIs('live');
seen.gap = await page.locator('#events li.gap').innerText();
await page.locator('#read [name=topics]').fill('a{b');
await page.click('#connect');
await statusIs('closed');
seen.closed = await status.textContent();
await look('closed');

seen.alien = await page.locator('body :is(img, svg, iframe, a, b), body script').count();
seen.complaints = complaints;

console.log(JSON.stringify(seen));
await browser.close();
