// A domain that leaves the browser: through the relay's gateway, a program of this machine reads its web site.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { buildRelay, firstSite, startRelay } from '../../tasks/relay.mjs';
import { domain, openBrowser, openPage } from './browser.mjs';
import { servePages } from './pages.mjs';

/** @type {Awaited<ReturnType<typeof servePages>>} */
let pages;
/** @type {Awaited<ReturnType<typeof startRelay>>} */
let relay;
/** @type {number} */
let port;

/** A port that nobody uses now. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}

before(async () => {
  pages = await servePages();
  port = await freePort();
  await buildRelay(() => {});
  relay = await startRelay(['--listen', '127.0.0.1:0', '--forward', `${port}:${firstSite}`]);
});

after(async () => {
  await relay?.stop();
  await pages?.stop();
});

test('a program of the host reads the site of a domain, whose address came by DHCP', async (t) => {
  const browser = await openBrowser();
  t.after(() => browser.close());
  const { page, assertQuiet } = await openPage(browser);
  await page.goto(`${pages.address}?net=${relay.address}/lan/0`);
  await domain(page, 'web-demo').log.getByText('My web site is at http://10.0.2.15/').waitFor();

  const site = `http://127.0.0.1:${port}`;
  const front = await fetch(`${site}/`);
  assert.equal(front.status, 200);
  assert.match(await front.text(), /Hello from a unikernel/);
  /** @type {any} */
  const status = await (await fetch(`${site}/status`)).json();
  assert.equal(status.address, '10.0.2.15');
  assert.ok(status.visits >= 1, `${status.visits} visits`);
  const several = await Promise.all(Array.from({ length: 20 }, () => fetch(`${site}/how.html`).then((answer) => answer.text())));
  for (const text of several) assert.match(text, /How it works/);
  assert.equal((await fetch(`${site}/nothing`)).status, 404);
  assertQuiet();
});
