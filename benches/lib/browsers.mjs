// Runs a bench's page in browsers, each time in a new one, and fetches what came of it.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { chromiumPath } from '../../tasks/browsers.mjs';
import { firefoxIsMissing, openFirefox } from '../../www/e2e/firefox.mjs';
import { benchPages, built, serve } from './build.mjs';

const patienceMs = 5 * 60_000;

/** @typedef {{ result: (url: string) => Promise<any>, close: () => Promise<void> }} Runner */
/** @typedef {'Chromium' | 'Firefox'} Name */

/** @type {Record<Name, () => Promise<Runner>>} */
const open = { Chromium: chromiumRunner, Firefox: firefoxRunner };

/**
 * @template {{ browser: Name, query: Record<string, string | number> }} Run
 * @param {string} file the page
 * @param {Run[]} runs
 * @param {(line: string) => void} report
 * @returns {Promise<{ done: { run: Run, result: any }[], notes: string[] }>} in the same order; without those whose browser is not here
 */
export async function runPage(file, runs, report) {
  await benchPages(report);
  const missing = await firefoxIsMissing();
  const server = await serve();
  try {
    const done = [];
    for (const run of runs.filter(({ browser }) => browser === 'Chromium' || !missing)) {
      report(`${run.browser}, ${Object.values(run.query).join(', ')}`);
      const query = new URLSearchParams(Object.entries(run.query).map(([name, value]) => [name, `${value}`]));
      const runner = await open[run.browser]();
      try {
        done.push({ run, result: await runner.result(`${server.address}pages/${file}?${query}`) });
      } finally {
        await runner.close();
      }
    }
    return { done, notes: missing ? [`Without Firefox: ${missing}.`] : [] };
  } finally {
    await server.close();
  }
}

// A browser that talks to nobody but the page's server.
const quiet = ['gpu', 'quic', 'background-networking', 'component-update', 'sync'].map((what) => `--disable-${what}`);

/**
 * Chromium with a profile of its own, on the project's disk. The contexts that playwright makes as a rule keep IndexedDB in memory,
 * and so may a folder for temporary files be: there nothing is durable, and strict costs what relaxed does.
 * @returns {Promise<Runner>}
 */
async function chromiumRunner() {
  await mkdir(built, { recursive: true });
  const profile = await mkdtemp(join(built, 'profile-'));
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const options = { executablePath: chromiumPath(), args: ['--no-first-run', ...quiet, ...sandbox] };
  const context = await chromium.launchPersistentContext(profile, options);
  const page = await context.newPage();
  return {
    async result(url) {
      await page.goto(url);
      const output = page.locator('output:not(:empty)');
      await output.waitFor({ timeout: patienceMs });
      return read(await output.textContent());
    },
    async close() {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

/** Firefox, whose profile geckodriver makes and removes. @returns {Promise<Runner>} */
async function firefoxRunner() {
  const firefox = await openFirefox();
  return {
    async result(url) {
      await firefox.goto(url);
      for (const end = Date.now() + patienceMs; ; ) {
        try {
          return read(await firefox.text('output', /./));
        } catch (error) {
          // WebDriver lets no script wait for more than half a minute.
          if (!/timed out/i.test(String(error)) || Date.now() > end) throw error;
        }
      }
    },
    close: () => firefox.close(),
  };
}

/** @param {string | null} text */
function read(text) {
  const { result, error } = JSON.parse(text ?? '{}');
  if (error) throw new Error(`The bench failed in the page: ${error}`);
  return result;
}
