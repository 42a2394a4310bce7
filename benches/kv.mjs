// Our key-value store against IndexedDB by hand, and against two packages.
import { runPage } from './lib/browsers.mjs';
import { inUnits, versus } from './lib/table.mjs';

const writers = 100;
const rounds = 60;
const count = 20;
const perSecond = inUnits('/s');

/** @typedef {Record<string, Record<string, number[]>>} Series by what was done, then by whom: one figure a round */
/** @typedef {{ perSecond: Series, durability: Record<string, string[]> }} KvResult as pages/src/kv.ts gives it */
/** @typedef {import('./lib/table.mjs').Row} Row */

const alike = /** @type {const} */ ({ side: 'at least', limit: 0.9 });
const checked = 'raw strict, with the checks';
const packages = ['idb-keyval', 'dexie', 'dexie strict'];

/** @param {'Chromium' | 'Firefox'} browser @param {number} size @param {'worker' | 'window'} realm */
const run = (browser, size, realm) => ({ browser, query: { size, realm, rounds, count, writers } });
/** The first one is shown against everybody, the others only against IndexedDB by hand. */
const runs = [
  run('Chromium', 100, 'worker'),
  run('Chromium', 4096, 'worker'),
  run('Chromium', 100, 'window'),
  run('Firefox', 100, 'worker'),
];

/** What is done one at a time, and by whom beside us. The first of them is whom the promise is about. */
const workloads = [
  { what: 'new keys, one at a time', operation: 'set', peers: ['raw strict', checked, 'raw relaxed', ...packages] },
  { what: 'one key again and again', operation: 'overwrite', peers: ['raw strict', checked, 'raw relaxed', ...packages] },
  { what: 'get, one at a time', operation: 'get', peers: ['raw strict', checked, 'idb-keyval', 'dexie'] },
];
const together = ['raw strict', checked, 'raw strict, one transaction', 'raw relaxed', ...packages];

/** @param {string} where @param {boolean} whole @param {KvResult} result @returns {Row[]} */
function rows(where, whole, { perSecond: figures }) {
  const shown = (/** @type {string} */ peer) => whole || peer.startsWith('raw strict');
  const single = workloads.flatMap(({ what, operation, peers }) =>
    peers.filter(shown).map((name, place) => {
      const { ours, [name]: values } = figures[operation];
      return versus(`${what}, ${where}`, ours, { name, values }, perSecond, place === 0 ? alike : undefined);
    }),
  );
  const what = `${writers} writers at once, ${where}`;
  const { ours, ...others } = figures['at once'];
  const oneByOne = { name: 'raw strict, one at a time', values: figures['set']['raw strict'] };
  return [
    ...single,
    versus(what, ours, oneByOne, perSecond, { side: 'at least', limit: 5 }),
    ...together.filter(shown).map((name) => versus(what, ours, { name, values: others[name] }, perSecond)),
  ];
}

/** @param {KvResult} result */
const durabilities = ({ durability }) =>
  Object.entries(durability)
    .map(([name, seen]) => `${name}: ${seen.join(', ')}`)
    .join('; ');

/** @type {import('./run.mjs').Bench} */
export const kv = {
  name: 'kv',
  about:
    'Operations a second, each awaited to its `complete` event, of our store as a unikernel sees it from Rust, of IndexedDB by' +
    ' hand with a transaction for each value, and of two packages; all in one page, in turn.',
  async run(report) {
    const { done, notes } = await runPage('kv.html', runs, report);
    /** @type {Record<string, Row[]>} */
    const tables = {};
    for (const { run, result } of done) {
      const { size, realm } = run.query;
      (tables[run.browser] ??= []).push(...rows(`${size} B, ${realm}`, run === runs[0], result));
    }
    const durability =
      `What their writing transactions were seen to ask for: ${durabilities(done[0].result)}. Where that is \`default\`, the browser` +
      ' decides; Chromium takes it as relaxed, as the figures show: `complete` then comes when the operating system has the data, not' +
      ' the disk.';
    const checks = `\`${checked}\` looks in its transaction, as ours does, whether the key is as it was last seen and no dictionary.`;
    return { tables, notes: [durability, checks, ...notes] };
  },
};
