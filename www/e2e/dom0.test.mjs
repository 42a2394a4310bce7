// What the page can do from outside, as dom0: stores, and tabs that share them; from the keyboard and with a screen reader.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, beforeEach, afterEach, test } from 'node:test';
import { domain, openBrowser, openPage } from './browser.mjs';
import { servePages } from './pages.mjs';

/** @type {Awaited<ReturnType<typeof servePages>>} */
let pages;
/** @type {import('playwright-core').Browser} */
let browser;
/** @type {Awaited<ReturnType<typeof openPage>>} */
let tab;
/** @type {import('playwright-core').Page} */
let page;

before(async () => {
  pages = await servePages();
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  await pages?.stop();
});

// Each test has a profile of its own, with empty stores.
beforeEach(async () => {
  tab = await openPage(browser);
  page = tab.page;
  await page.goto(pages.address);
  await domain(page, 'web-demo').says(/Visit number 1\b/);
});

afterEach(() => tab.close());

const demo = () => domain(page, 'web-demo');
const button = (/** @type {string} */ name) => demo().region.getByRole('button', { name, exact: true });

test('a value is viewed, edited, added and removed, and the unikernel finds it so', async () => {
  await button('visits').click();
  const value = demo().region.getByRole('textbox', { name: 'Value', exact: true });
  await value.fill('41');
  await button('Save').click();
  await button('Reset').click();
  await demo().says(/Visit number 42\b/);

  await button('Add key').click();
  await demo().region.getByRole('textbox', { name: 'Key' }).fill('note/first');
  await value.fill('from the page');
  await button('Save').click();
  await button('note/first').waitFor();
  await demo().type('get note/first');
  await demo().says('from the page');

  await button('Clear store').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Clear' }).click();
  await button('visits').waitFor({ state: 'detached' });
  await button('Reset').click();
  await demo().says(/Visit number 1\b/);
  tab.assertQuiet();
});

test('two tabs share a store: both count, and neither overwrites the other silently', async () => {
  const other = await page.context().newPage();
  await other.goto(pages.address);
  const theirs = domain(other, 'web-demo');
  await theirs.says(/Visit number 2\b/);

  await demo().type('set name ours');
  await demo().says('name is ours');
  await theirs.type('get name');
  await theirs.says('ours');
  await theirs.type('set name theirs');
  await theirs.says('name is theirs');
  await demo().type('set name ours again');
  await demo().says(/That did not work: .*read it again/);
  await demo().type('get name');
  await demo().says(/^theirs$/);
  await demo().type('set name ours again');
  await demo().says('name is ours again');
  tab.assertQuiet();
});

test('ends when it is asked to, and says so', async () => {
  await button('Shut down').click();
  await demo().is('halted');
  await demo().says('Good bye.');
  tab.assertQuiet();
});

test('a new domain is booted from the keyboard alone', async () => {
  await page.getByRole('button', { name: 'New domain' }).focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type('ada');
  await page.keyboard.press('Tab');
  await page.keyboard.type('hello=Ada');
  await page.keyboard.press('Enter');
  const second = domain(page, 'ada');
  await second.says('Hello, Ada! This is ada, a unikernel.');
  await second.region.getByRole('textbox', { name: 'Input' }).focus();
  await page.keyboard.type('typed');
  await page.keyboard.press('Enter');
  await second.says('You typed: typed');
  // The arrow key brings the last line back.
  await page.keyboard.press('ArrowUp');
  assert.equal(await second.region.getByRole('textbox', { name: 'Input' }).inputValue(), 'typed');
  tab.assertQuiet();
});

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  test(`nothing that axe knows is in a screen reader's way, ${colorScheme}`, async () => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await button('visits').click();
    // Not as an element, which the page's policy forbids.
    const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    await page.evaluate(axe);
    const found = /** @type {{ id: string, nodes: { html: string }[] }[]} */ (
      await page.evaluate('axe.run().then((result) => result.violations)')
    );
    assert.deepEqual(found.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`), []);
  });
}

test('fits a phone without scrolling sideways', async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  const overflow = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
  assert.equal(overflow, 0);
  assert.ok(await demo().region.getByRole('textbox', { name: 'Input' }).isVisible());
});
