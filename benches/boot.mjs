// How long a page takes to its first console line.
import { openBrowser } from '../www/e2e/browser.mjs';
import { bootPages, serve } from './lib/build.mjs';
import { withQuartiles } from './lib/statistics.mjs';
import { inUnits, versus } from './lib/table.mjs';

const rounds = 25;
const pages = [
  { what: 'the demo page, in a worker', file: 'index.html' },
  { what: 'the simplest page, in the window', file: 'embed.html' },
];
const ms = inUnits('ms');

/** @typedef {{ whole: number, own: number }} Load from the navigation's begin, and from when the document was here */
/** @typedef {Record<'ours' | 'empty', Load[]>} Loads */

/** Runs in the page, before its own scripts. */
function watch() {
  const first = new Promise((resolve) => {
    const observer = new MutationObserver(() => {
      if (!document.querySelector('.mirage-line')) return;
      observer.disconnect();
      const whole = performance.now();
      const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType('navigation'));
      resolve({ whole, own: whole - navigation.responseEnd });
    });
    observer.observe(document, { subtree: true, childList: true });
  });
  Object.assign(globalThis, { firstLine: first });
}

/**
 * Loads a page with nothing in any cache.
 * @param {import('playwright-core').Browser} browser @param {string} url @returns {Promise<Load>}
 */
async function load(browser, url) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.addInitScript(watch);
    await page.goto(url);
    return await page.evaluate(() => /** @type {any} */ (globalThis).firstLine);
  } finally {
    await context.close();
  }
}

/** @param {string} what @param {Loads} loads @param {keyof Load} part @param {import('./lib/table.mjs').Promised} [promised] */
function row(what, loads, part, promised) {
  const [ours, empty] = [loads.ours, loads.empty].map((all) => all.map((load) => load[part]));
  return {
    ...versus(what, ours, { name: 'empty', values: empty }, ms, promised),
    ours: withQuartiles(ours, ms),
    peer: `empty: ${withQuartiles(empty, ms)}`,
  };
}

/** @type {import('./run.mjs').Bench} */
export const boot = {
  name: 'boot',
  about:
    'From the begin of the navigation to the first console line in the document: the built pages as shipped, and the same pages' +
    ' around an empty wasm-bindgen module that gives one line. Loaded in turn, each time in a new profile with nothing cached.',
  async run(report) {
    await bootPages(report);
    const server = await serve();
    const browser = await openBrowser();
    try {
      const rows = [];
      for (const { what, file } of pages) {
        const urls = { ours: `${server.address}ours/${file}`, empty: `${server.address}empty/${file}` };
        // The first loads find the browser's own processes cold.
        for (const url of Object.values(urls)) await load(browser, url);
        /** @type {Loads} */
        const loads = { ours: [], empty: [] };
        for (let round = 1; round <= rounds; round += 1) {
          report(`${what}, load ${round} of ${rounds}`);
          loads.ours.push(await load(browser, urls.ours));
          loads.empty.push(await load(browser, urls.empty));
        }
        rows.push(row(what, loads, 'whole', { side: 'at most', limit: 2 }));
        rows.push(row('the same, once the document is here', loads, 'own'));
      }
      const note = 'A navigation begins with a new process for the page, which costs both the same; the second row of each leaves it out.';
      return { tables: { Chromium: rows }, notes: [note] };
    } finally {
      await browser.close();
      await server.close();
    }
  },
};
