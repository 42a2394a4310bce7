// What a turn costs, and how late a short sleep ends.
import { runPage } from './lib/browsers.mjs';
import { compare, median, quantile } from './lib/statistics.mjs';
import { digits, inUnits, versus } from './lib/table.mjs';

const lateness = (/** @type {number[][]} */ rounds) => {
  const all = rounds.flat();
  return `${digits(median(all))} ms, 95 % within ${digits(quantile(all, 0.95))} ms`;
};

const runs = /** @type {const} */ (['Chromium', 'Firefox']).flatMap((browser) => [
  { browser, query: { realm: 'window' } },
  { browser, query: { realm: 'worker' } },
]);

/** @param {string} where @param {any} result @returns {import('./lib/table.mjs').Row[]} */
function rows(where, { turns: { turn }, lateness: late }) {
  const micros = inUnits('µs');
  const medians = (/** @type {string} */ name) => late[name].map(median);
  const { low, high } = compare(medians('ours'), medians('setTimeout'));
  return [
    versus(`sleep(0), ${where}`, turn.ours, { name: 'MessageChannel turn', values: turn.MessageChannel }, micros),
    versus(`sleep(0), ${where}`, turn.ours, { name: 'setTimeout(0)', values: turn.setTimeout }, micros),
    {
      what: `lateness of sleep(1 ms), ${where}`,
      ours: lateness(late.ours),
      peer: `setTimeout(1): ${lateness(late.setTimeout)}`,
      ratio: digits(median(late.ours.flat()) / median(late.setTimeout.flat())),
      spread: `${digits(low)} to ${digits(high)}`,
    },
  ];
}

/** @type {import('./run.mjs').Bench} */
export const timers = {
  name: 'timers',
  about:
    'A turn of the event loop by `sleep(0)`, and how late a `sleep` of 1 ms ends, each awaited before the next one, as a' +
    ' unikernel sees it; beside what the browser offers for the same.',
  async run(report) {
    const { done, notes } = await runPage('timers.html', runs, report);
    /** @type {Record<string, import('./lib/table.mjs').Row[]>} */
    const tables = {};
    for (const { run, result } of done) (tables[run.browser] ??= []).push(...rows(run.query.realm, result));
    const stretched = 'Browsers stretch `setTimeout` to 4 ms from the fifth one on that was set from within another.';
    return { tables, notes: [stretched, ...notes] };
  },
};
