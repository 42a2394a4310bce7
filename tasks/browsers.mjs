// The browsers that tests run in: which are here, and installing those that may be installed.
import { existsSync } from 'node:fs';
import { attempt, which } from './run.mjs';
import { find, geckodriver } from './tools.mjs';

/**
 * @typedef {object} Browser
 * @property {string} name
 * @property {string[]} packages what Debian and its relatives call it
 * @property {() => Promise<string[]>} missing what has to be installed before it can be tested
 * @property {() => string[]} command runs wasm-pack's tests in it, before the crate's name
 */

const chromiums = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const applications = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/** The Chromium that the page is tested in, or undefined. */
export const chromiumPath = () =>
  process.env.CHROMIUM || chromiums.map((name) => which(name)).find(Boolean) || applications.find((path) => existsSync(path));

const wasmPackTest = ['wasm-pack', 'test', '--headless', '--mode', 'no-install'];

/** @type {Browser[]} */
export const browsers = [
  {
    name: 'chromium',
    packages: ['chromium', 'chromium-driver'],
    missing: async () => [...(chromiumPath() ? [] : ['chromium']), ...(which('chromedriver') ? [] : ['chromedriver'])],
    command: () => [...wasmPackTest, '--chrome'],
  },
  {
    name: 'firefox',
    packages: ['firefox-esr'],
    missing: async () => [
      ...(which('firefox') || which('firefox-esr') ? [] : ['firefox']),
      ...((await find(geckodriver())) ? [] : ['geckodriver']),
    ],
    command: () => [...wasmPackTest, '--firefox'],
  },
  {
    name: 'webkit',
    packages: ['webkit2gtk-driver', 'xvfb', 'xauth'],
    missing: async () => ['WebKitWebDriver', 'xvfb-run'].filter((program) => !which(program)),
    // WebKitGTK has no headless mode, so it gets a screen in memory.
    command: () => ['xvfb-run', '-a', ...wasmPackTest, '--safari', '--safaridriver', which('WebKitWebDriver') ?? ''],
  },
];

const mayInstall = () => process.getuid?.() === 0 && which('apt-get') !== undefined;

/** How to come by a browser, for people. @param {Browser} browser */
export const remedy = ({ packages, name }) =>
  which('apt-get')
    ? `\`sudo apt-get install ${packages.join(' ')}\`${name === 'firefox' ? ' and `npm test -- --install` install them' : ' installs it'}`
    : 'install it and put it on PATH';

/**
 * Installs Chromium, and with `all` the others too, where that is allowed: as root, with apt.
 * @param {boolean} all @param {(line: string) => void} report
 */
export async function installBrowsers(all, report) {
  const wanted = [];
  for (const browser of browsers.filter(({ name }) => all || name === 'chromium')) {
    const missing = (await browser.missing()).filter((program) => program !== 'geckodriver');
    if (missing.length > 0) wanted.push(...browser.packages);
  }
  if (wanted.length === 0) return 'ready';
  if (!mayInstall()) return 'skipped: needs apt-get and root';
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await attempt('apt-get', ['update'], { report, env });
  const { code, output } = await attempt('apt-get', ['install', '-y', '--no-install-recommends', ...wanted], { report, env });
  // No reason to test nothing at all: the steps that wanted this browser are skipped, and say so.
  return code === 0 ? 'installed' : `failed: ${output.trim().split('\n').pop()}`;
}
