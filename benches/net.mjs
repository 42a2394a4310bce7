// Bytes, round trips and requests between unikernels, beside the same frames by hand.
import { runPage } from './lib/browsers.mjs';
import { alone, inUnits, versus } from './lib/table.mjs';
import { buildRelay, startRelay } from '../tasks/relay.mjs';

const megabits = inUnits('Mbit/s');

/** @param {string} where @param {number} limit @param {any} result @returns {import('./lib/table.mjs').Row[]} */
function rows(where, limit, { figures }) {
  const beside = (/** @type {string} */ what) => ({ name: 'frames by hand', values: figures[what]['frames by hand'] });
  return [
    alone(`TCP, ${where}`, figures.bulk.ours, megabits, { side: 'at least', limit, unit: 'Mbit/s' }),
    versus(`the same beside its transport, ${where}`, figures.bulk.ours, beside('bulk'), megabits),
    versus(`ping, ${where}`, figures['round trip'].ours, beside('round trip'), inUnits('ms')),
    alone(`requests of the page, one by one, ${where}`, figures.requests['one by one'], inUnits('/s')),
    alone(`the same, eight at once, ${where}`, figures.requests['eight at once'], inUnits('/s')),
  ];
}

/** Where a cable leads, and what TCP over it is to reach in Mbit/s. @type {Record<string, [string, number]>} */
const places = {
  port: ['between domains of a page, by port', 1000],
  ring: ['between domains of a page, by ring', 1000],
  'lan:7': ['between tabs', 150],
};

/** @type {import('./run.mjs').Bench} */
export const net = {
  name: 'net',
  about:
    'Two unikernels, each in a worker, and the page as a third host, on one network: 20 MB by TCP, an echo, and pages of 1 kB;' +
    ' beside frames of 1,514 bytes that JavaScript sends over the same kind of cable, 256 of them under way. Between domains of a' +
    ' page there is a switch in a worker of its own; the frames by hand go from one worker straight to the other.',
  async run(report) {
    report('the relay');
    await buildRelay(report);
    const relay = await startRelay(['--listen', '127.0.0.1:0', '--nat', 'none']);
    try {
      const run = (/** @type {'Chromium' | 'Firefox'} */ browser, /** @type {string} */ net) => ({ browser, query: { realm: 'window', net } });
      const cables = ['port', 'ring', 'lan:7', `${relay.address}/lan/bench`];
      const { done, notes } = await runPage('net.html', [...cables.map((net) => run('Chromium', net)), ...cables.map((net) => run('Firefox', net))], report);
      /** @type {Record<string, import('./lib/table.mjs').Row[]>} */
      const tables = {};
      for (const { run, result } of done) {
        const [where, limit] = places[run.query.net] ?? ['over the relay', 150];
        const table = (tables[run.browser] ??= []);
        table.push(...rows(where, limit, result));
        if (run.query.net === 'lan:7') table.push(alone('TCP between two stacks of one unikernel', result.figures.within.ours, megabits));
      }
      return { tables, notes };
    } finally {
      await relay.stop();
    }
  },
};
