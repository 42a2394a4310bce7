// The numbers that the README claims, one bench each. Names on the command line select some.
import { print, progress, seconds, TaskError } from '../tasks/console.mjs';
import { boot } from './boot.mjs';
import { edit } from './edit.mjs';
import { kv } from './kv.mjs';
import { machine, needsChromium } from './lib/machine.mjs';
import { save, section } from './lib/results.mjs';
import { net } from './net.mjs';
import { size } from './size.mjs';
import { timers } from './timers.mjs';

/**
 * @typedef {object} Bench
 * @property {string} name
 * @property {string} about what the figures are, in a sentence or two
 * @property {(report: (line: string) => void) => Promise<import('./lib/results.mjs').Result>} run
 */

/** @type {Bench[]} */
const benches = [size, boot, edit, kv, timers, net];
const known = benches.map(({ name }) => name);
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !known.includes(name));
if (unknown.length > 0) throw new TaskError(`No bench is called ${unknown.join(', ')}. There are: ${known.join(', ')}.`);
needsChromium();

/** @type {Map<string, string>} */
const sections = new Map();
for (const { name, about, run } of benches.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
  const start = Date.now();
  const where = await machine();
  const result = await run((line) => progress(name, line));
  sections.set(name, section(name, about, where, result));
  print(`\n${sections.get(name)}- took ${seconds(start)}\n`);
  // After each: if a later one fails, or somebody has seen enough, this one counts.
  await save(sections, known);
}
