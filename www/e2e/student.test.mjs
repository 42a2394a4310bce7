// What a student does, in order, in one browser: from `npm start` on a fresh copy to two domains at once.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { domain, openBrowser, openPage } from './browser.mjs';
import { copyProject, startServer } from './project.mjs';

const demo = 'web-demo/src/lib.rs';
const overlay = 'vite-error-overlay';

/** @type {Awaited<ReturnType<typeof copyProject>>} */
let project;
/** @type {Awaited<ReturnType<typeof startServer>>} */
let server;
/** @type {import('playwright-core').Browser} */
let browser;
/** @type {Awaited<ReturnType<typeof openPage>>} */
let tab;
/** @type {import('playwright-core').Page} */
let page;

before(async () => {
  project = await copyProject();
  server = await startServer(project.folder);
  browser = await openBrowser();
  tab = await openPage(browser);
  page = tab.page;
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await project?.remove();
});

const first = () => domain(page, 'web-demo');

/** How often the demo says that it was visited. */
async function visits() {
  await first().says(/Visit number \d+/);
  const line = (await first().lines()).find((line) => line.startsWith('Visit number')) ?? '';
  return Number(/\d+/.exec(line)?.[0]);
}

/** Saves a change of the demo. @param {(text: string) => string} change */
const save = (change) => project.edit(demo, change);

/**
 * Saves another greeting and waits for it. The time is told, not judged: this machine may be busy.
 * @param {import('node:test').TestContext} t @param {string} before @param {string} greeting
 */
async function greet(t, before, greeting) {
  const start = performance.now();
  await save((text) => text.replace(before, greeting));
  // Looks at every frame; the locators of playwright look twice a second.
  await page.waitForFunction((text) => /** @type {any} */ (globalThis).document.body?.textContent.includes(text), greeting);
  t.diagnostic(`from save to screen: ${Math.round(performance.now() - start)} ms`);
}

test('the page boots a unikernel, and its console fills', async () => {
  await page.goto(server.address);
  await first().is('running');
  assert.equal(await visits(), 1);
  assert.equal(await page.evaluate('crossOriginIsolated'), true);
  tab.assertQuiet();
});

test('what is typed is answered', async () => {
  await first().type('hello from a student');
  await first().says('You typed: hello from a student');
  await first().type('help');
  for (const command of ['help', 'time', 'keys', 'get', 'set', 'sleep', 'panic']) await first().says(new RegExp(`\\b${command}\\b`));
  await first().type('set colour green');
  await first().type('get colour');
  await first().says(/green/);
  tab.assertQuiet();
});

test('its web site opens in the page', async () => {
  await first().says(/My web site is at/);
  await first().region.locator('mirage-site summary').click();
  const document = first().region.frameLocator('iframe');
  await document.getByRole('heading', { name: 'Hello from a unikernel' }).waitFor();
  assert.ok((await document.getByRole('img').evaluate((/** @type {any} */ image) => image.naturalWidth)) > 0);
  tab.assertQuiet();
});

test('a reload finds the visit counted and the store as it was', async () => {
  await page.reload();
  assert.equal(await visits(), 2);
  await first().type('get colour');
  await first().says(/green/);
  tab.assertQuiet();
});

test('a saved change of the demo boots in the page, and finds the store', async (t) => {
  await server.says(/ready for edits/);
  await greet(t, 'Hello', 'Good morning');
  assert.equal(await visits(), 3);
  await greet(t, 'Good morning', 'Good evening');
  assert.equal(await visits(), 4);
  tab.assertQuiet();
});

test('a saved change of the platform is followed as well, and its JavaScript is always of the same build', async (t) => {
  const platform = 'platform-js/src/lib.rs';
  let greeting = 'Good evening';
  for (const call of ['random()', 'sin(1.0)', 'cos(1.0)']) {
    const probe = `\n/// Only to change what the module imports and exports.\n#[wasm_bindgen::prelude::wasm_bindgen]\npub fn probe() -> f64 {\n    js_sys::Math::${call}\n}\n`;
    await project.edit(platform, (text) => text.replace(/\n\/\/\/ Only to change[^]*$/, '') + probe);
    await greet(t, greeting, `Good ${call}`);
    greeting = `Good ${call}`;
    await first().is('running');
    tab.assertQuiet();
  }
  await project.edit(platform, (text) => text.replace(/\n\/\/\/ Only to change[^]*$/, ''));
  await greet(t, greeting, 'Good evening');
});

test('a compile error shows in the page with file and line, until it is mended', async () => {
  const error = page.locator(overlay);
  await save((text) => `${text}\nfn broken() -> u32 { "no number" }\n`);
  await error.getByText(/mismatched types/).first().waitFor();
  await error.getByText(/web-demo\/src\/lib\.rs:\d+:\d+/).first().waitFor();
  // Somebody who opens the page now has to see it as well.
  await page.reload();
  await error.getByText(/mismatched types/).first().waitFor();
  await save((text) => text.replace(/\nfn broken.*\n$/, ''));
  await error.waitFor({ state: 'detached' });
  await first().says(/Good evening/);
  tab.assertQuiet();
});

test('two domains run at once, each with its own console and store', async () => {
  await page.getByRole('button', { name: 'New domain' }).click();
  await page.getByRole('button', { name: 'Boot' }).click();
  const second = domain(page, 'web-demo-2');
  await second.is('running');
  await second.type('only to the second');
  await second.says('You typed: only to the second');
  assert.ok(!(await first().lines()).some((line) => line.includes('only to the second')));
  await second.type('get colour');
  await first().type('get colour');
  await first().says(/green/);
  assert.ok(!(await second.lines()).some((line) => line.includes('green')));
  tab.assertQuiet();
});

test('a paused domain keeps what is typed until it is resumed', async () => {
  await first().press('Pause');
  await first().is('paused');
  const asked = 'typed while paused';
  await first().type(asked);
  await domain(page, 'web-demo-2').type('the other one goes on');
  await domain(page, 'web-demo-2').says('You typed: the other one goes on');
  assert.ok(!(await first().lines()).includes(`You typed: ${asked}`));
  await first().press('Resume');
  await first().is('running');
  await first().says(`You typed: ${asked}`);
  tab.assertQuiet();
});

test('a domain that loops is shown as stuck and can be reset, while the other goes on', async () => {
  await first().type('spin');
  await first().is('stuck');
  const second = domain(page, 'web-demo-2');
  await second.type('still here');
  await second.says('You typed: still here');
  await first().press('Reset');
  await first().is('running');
  await first().type('and back again');
  await first().says('You typed: and back again');
  tab.assertQuiet();
});

test('a domain that panics is shown as crashed with message and place, and can be reset', async () => {
  await first().type('panic');
  await first().is('crashed');
  await first().region.getByText(/web-demo\/src\/lib\.rs:\d+/).first().waitFor();
  assert.equal(await domain(page, 'web-demo-2').state(), 'running');
  await first().press('Reset');
  await first().is('running');
  // The trap that ends a panic is an error of the worker, which browsers write down whatever the page does.
  tab.assertQuiet(/panicked at/, /unreachable/);
});

test('a destroyed domain is gone, and the page says so', async () => {
  const second = domain(page, 'web-demo-2');
  await second.press('Destroy');
  await second.is('destroyed');
  assert.equal(await first().state(), 'running');
  tab.assertQuiet();
});

test('an argument that does not exist is named, with what it may have meant', async () => {
  await page.goto(`${server.address}?lgos=debug`);
  await first().is('failed');
  await first().region.getByText(/lgos/).first().waitFor();
  await first().region.getByText(/logs/).first().waitFor();
  tab.assertQuiet();
});

test('the simplest page runs the same unikernel in the window itself', async () => {
  await page.goto(new URL('embed.html', server.address).href);
  await page.getByRole('log').getByText(/Good evening/).first().waitFor();
  const input = page.getByRole('textbox');
  await input.fill('hello from the window');
  await input.press('Enter');
  await page.getByRole('log').getByText('You typed: hello from the window').first().waitFor();
  tab.assertQuiet();
});
