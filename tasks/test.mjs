// `npm test`: everything that has to hold before a change goes in. `--list` names the steps, `--only fmt,clippy` selects some,
// `--install` (as CI=true does) installs browsers and tools that some steps would be skipped for.
import { parseArgs } from 'node:util';
import { browsers, installBrowsers } from './browsers.mjs';
import { paint, print, progress, seconds, step, TaskError } from './console.mjs';
import { setup, together } from './setup.mjs';
import { Skip, steps } from './steps.mjs';
import { cargoDeny, geckodriver, use } from './tools.mjs';

/** @typedef {{ name: string, passed: number, failed: number, skipped: number, time: string, why?: string }} Row */

const { values } = parseArgs({
  options: { list: { type: 'boolean' }, only: { type: 'string' }, install: { type: 'boolean', default: process.env.CI === 'true' } },
});
if (values.list) {
  for (const { name, about } of steps) print(`${name.padEnd(16)} ${about}`);
} else {
  await main(values.install, select(values.only));
}

/** @param {string | undefined} only */
function select(only) {
  const names = only?.split(',').map((name) => name.trim());
  const unknown = names?.filter((name) => !steps.some((step) => step.name === name)) ?? [];
  if (unknown.length > 0) {
    print(`No step is called ${unknown.join(', ')}. There are: ${steps.map(({ name }) => name).join(', ')}.`);
    process.exit(2);
  }
  return steps.filter(({ name }) => names?.includes(name) ?? true);
}

/** @param {boolean} install @param {import('./steps.mjs').Step[]} selected */
async function main(install, selected) {
  /** @type {Row[]} */
  const rows = [];
  const start = Date.now();
  try {
    await prepare(install, selected);
  } catch (error) {
    print(error instanceof Error ? error.message : String(error));
    rows.push({ name: 'setup', passed: 0, failed: 1, skipped: 0, time: seconds(start), why: 'see above' });
  }
  for (const step of selected) {
    const broken = rows.find(({ name, failed }) => failed > 0 && (name === 'setup' || step.needs?.includes(name)));
    const row = broken ? skipped(step.name, `${broken.name} failed`) : await perform(step);
    rows.push(row);
    printRow(row);
  }
  summarise(rows, seconds(start));
}

/** @param {boolean} install @param {import('./steps.mjs').Step[]} selected */
async function prepare(install, selected) {
  const needsBrowser = selected.some(({ browser }) => browser);
  await together(
    setup(install ? [geckodriver(), cargoDeny()] : []),
    needsBrowser ? step('browsers', (report) => installBrowsers(install, report)) : undefined,
  );
  // Without `--install` they are used if they are there.
  for (const tool of [geckodriver(), cargoDeny()]) await use(tool);
}

/** @param {import('./steps.mjs').Step} step @returns {Promise<Row>} */
async function perform({ name, work }) {
  const start = Date.now();
  progress(name, '…');
  try {
    const { passed, failed, skipped = 0, why, output } = await work((line) => progress(name, line));
    if (failed > 0) print(output);
    return { name, passed, failed, skipped, time: seconds(start), why: failed > 0 ? 'see above' : why };
  } catch (error) {
    if (error instanceof Skip) return skipped(name, error.message);
    print(error instanceof TaskError ? error.message : error instanceof Error ? String(error.stack) : String(error));
    return { name, passed: 0, failed: 1, skipped: 0, time: seconds(start), why: 'see above' };
  }
}

/** @param {string} name @param {string} why @returns {Row} */
function skipped(name, why) {
  return { name, passed: 0, failed: 0, skipped: 1, time: '', why };
}

/** @param {Row} row */
function printRow({ name, passed, failed, skipped, time, why = '' }) {
  const outcome = failed > 0 ? paint('red', '✗ failed ') : passed > 0 ? paint('green', '✓ passed ') : paint('yellow', '- skipped');
  const counts = `${String(passed).padStart(5)}${String(failed).padStart(5)}${String(skipped).padStart(5)}`;
  print(`${outcome} ${name.padEnd(16)}${counts} ${time.padStart(9)}  ${why}`.trimEnd());
}

/** @param {Row[]} rows @param {string} time */
function summarise(rows, time) {
  const sum = (/** @type {'passed' | 'failed' | 'skipped'} */ key) => rows.reduce((total, row) => total + row[key], 0);
  print(`\n          ${'step'.padEnd(16)} pass fail skip      time`);
  rows.forEach(printRow);
  print(`\nin ${time}, on ${browsers.map(({ name }) => name).filter((name) => rows.some((row) => row.name === `wasm-${name}` && row.passed)).join(', ') || 'no browser'}`);
  if (sum('failed') > 0) process.exitCode = 1;
  print(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`);
}
