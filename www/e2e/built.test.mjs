// The page as `npm run build` makes it, with its policy as strict as it is shipped, in a folder of a web server.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { build, preview } from 'vite';
import { root } from '../../tasks/run.mjs';
import { domain, openBrowser, openPage } from './browser.mjs';
import { firefoxIsMissing, openFirefox } from './firefox.mjs';

/** What a plain web server says of files. @type {Record<string, string>} */
const types = { '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm', '.svg': 'image/svg+xml', '.html': 'text/html' };

/** @type {string} */
let outDir;
/** @type {import('vite').PreviewServer} */
let server;
/** @type {string} */
let address;

before(async () => {
  outDir = await mkdtemp(join(tmpdir(), 'mirage-built-'));
  const configFile = join(root, 'www', 'vite.config.ts');
  /** @type {import('vite').InlineConfig} */
  const config = { configFile, logLevel: 'warn', build: { outDir, emptyOutDir: true } };
  await build(config);
  server = await preview({ ...config, base: '/some/folder/', preview: { port: 0 } });
  address = server.resolvedUrls?.local[0] ?? '';
});

after(async () => {
  await server?.close();
  await rm(outDir, { recursive: true });
});

for (const file of ['index.html', 'embed.html']) {
  test(`${file} runs in Chromium`, async (t) => {
    const browser = await openBrowser();
    t.after(() => browser.close());
    const { page, assertQuiet } = await openPage(browser);
    await page.goto(address + file);
    const console = file === 'index.html' ? domain(page, 'web-demo').log : page.getByRole('log');
    await console.getByText(/visit/i).first().waitFor();
    assert.equal(await page.evaluate('crossOriginIsolated'), true);
    assertQuiet();
  });
}

test('a page that is not isolated has its domains on the switch by messages', async (t) => {
  const plain = createServer(async (request, response) => {
    const path = new URL(request.url ?? '', 'http://host').pathname;
    const type = types[extname(path)] ?? 'text/html';
    try {
      const body = await readFile(join(outDir, path === '/' ? 'index.html' : path));
      response.writeHead(200, { 'content-type': type }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((listening) => plain.listen(0, '127.0.0.1', () => listening(undefined)));
  t.after(() => plain.close());
  const { port } = /** @type {import('node:net').AddressInfo} */ (plain.address());
  const browser = await openBrowser();
  t.after(() => browser.close());
  const { page, assertQuiet } = await openPage(browser);
  await page.goto(`http://127.0.0.1:${port}/`);
  const card = domain(page, 'web-demo');
  await card.region.getByText(/link up.*page’s switch by messages/).waitFor();
  assert.equal(await page.evaluate('crossOriginIsolated'), false);
  await card.region.locator('mirage-site summary').click();
  await card.region.frameLocator('iframe').getByText('Hello from a unikernel').first().waitFor();
  assertQuiet();
});

test('both pages run in Firefox', { skip: await firefoxIsMissing() }, async (t) => {
  const firefox = await openFirefox();
  t.after(() => firefox.close());
  for (const file of ['index.html', 'embed.html']) {
    await firefox.goto(address + file);
    assert.match(await firefox.text('[role=log]', /visit/), /visit/i);
  }
});

test('a web site opens in the page in Firefox, and its frames are seen', { skip: await firefoxIsMissing() }, async (t) => {
  const firefox = await openFirefox();
  t.after(() => firefox.close());
  await firefox.goto(`${address}index.html`);
  await firefox.until(`document.querySelector('mirage-site:not([hidden])')?.isConnected`);
  for (const part of ['network', 'site']) await firefox.until(`document.querySelector('mirage-${part} details').open = true`);
  const inside = `document.querySelector('iframe').contentDocument`;
  assert.equal(await firefox.until(`${inside}.querySelector('h1')?.textContent`), 'Hello from a unikernel');
  assert.ok((await firefox.until(`${inside}.querySelector('img').naturalWidth`)) > 0);
  await firefox.until(`${inside}.querySelector('a[href="how.html"]').click() ?? true`);
  assert.match(await firefox.until(`${inside}.querySelector('ol')?.textContent`), /frames of Ethernet/);
  assert.match(await firefox.until(`document.querySelector('.frame-row[data-kind="tcp"]')?.textContent`), /TCP \d+ > \d+/);
});
