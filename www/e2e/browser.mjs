// A browser that counts every complaint as a failure, and the page's parts by the names that a person knows them by.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { chromiumPath } from '../../tasks/browsers.mjs';

// A browser that talks to nobody but the page's server.
const quiet = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export async function openBrowser() {
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath: chromiumPath(), args: [...quiet, ...sandbox] });
}

/**
 * A page on which nothing may complain: no error or warning in the console, of the page or of its workers, no exception, no
 * request that fails.
 * @param {import('playwright-core').Browser} browser
 */
export async function openPage(browser) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  /** @type {string[]} */
  const complaints = [];
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`console ${message.type()}: ${message.text()}`);
  });
  context.on('weberror', (error) => complaints.push(`exception: ${error.error().message}`));
  // A reload gives up the requests that are under way.
  context.on('requestfailed', (request) => {
    const why = request.failure()?.errorText;
    if (why !== 'net::ERR_ABORTED') complaints.push(`request: ${request.url()}: ${why}`);
  });
  return {
    page,
    /** Fails if anything complained since it was last asked, save what `expected` names. @param {RegExp[]} expected */
    assertQuiet(...expected) {
      const since = complaints.splice(0);
      assert.deepEqual(
        since.filter((complaint) => !expected.some((pattern) => pattern.test(complaint))),
        [],
        'the browser complained',
      );
    },
    close: () => context.close(),
  };
}

/** A domain's card. @param {import('playwright-core').Page} page @param {string} name */
export function domain(page, name) {
  const region = page.getByRole('region', { name, exact: true });
  const log = region.getByRole('log');
  const state = region.locator('[data-state]');
  return {
    region,
    log,
    /** @param {string} text */
    async type(text) {
      const input = region.getByRole('textbox', { name: 'Input' });
      await input.fill(text);
      await input.press('Enter');
    },
    /** @param {string} button */
    press: (button) => region.getByRole('button', { name: button, exact: true }).click(),
    /** @param {string} word */
    is: (word) => region.locator(`[data-state="${word}"]`).first().waitFor(),
    state: () => state.first().getAttribute('data-state'),
    /** Waits until the console says it. @param {string | RegExp} text */
    says: (text) => log.getByText(text).last().waitFor(),
    lines: async () => (await log.locator('.mirage-line').allTextContents()).map((line) => line.trim()),
  };
}
