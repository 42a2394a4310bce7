// Figures as rows of a table, in Markdown that also reads well in a terminal.
import { compare, median, quantile } from './statistics.mjs';

/**
 * @typedef {object} Row
 * @property {string} what
 * @property {string} ours
 * @property {string} [peer] who else was measured, and what came of it
 * @property {string} [ratio] ours by the peer's
 * @property {string} [spread]
 * @property {string} [budget] what was promised, and whether it holds
 */

/** @typedef {{ side: 'at most' | 'at least', limit: number, unit?: string }} Promised */
/** @typedef {(value: number) => string} Show */

const columns = /** @type {const} */ (['what', 'ours', 'peer', 'ratio', 'spread', 'budget']);

/** As many digits as mean something. @type {Show} */
export const digits = (value) => {
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  if (value >= 10) return value.toFixed(value >= 100 ? 0 : 1);
  return value >= 0.1 ? value.toFixed(2) : value.toPrecision(2);
};

/** @param {string} unit @returns {Show} */
export const inUnits = (unit) => (value) => `${digits(value)} ${unit}`;

/** @param {number} value @param {Promised} promised */
function verdict(value, { side, limit, unit }) {
  const kept = side === 'at most' ? value <= limit : value >= limit;
  return `${side} ${limit}${unit ? ` ${unit}` : ''}: ${kept ? 'met' : '**missed**'}`;
}

/**
 * Two that were measured in turn, round by round. What is promised is promised of the ratio.
 * @param {string} what @param {number[]} ours @param {{ name: string, values: number[] }} peer @param {Show} show
 * @param {Promised} [promised] @returns {Row}
 */
export function versus(what, ours, peer, show, promised) {
  const { ratio, low, high } = compare(ours, peer.values);
  return {
    what,
    ours: show(median(ours)),
    peer: `${peer.name}: ${show(median(peer.values))}`,
    ratio: digits(ratio),
    spread: `${digits(low)} to ${digits(high)}`,
    ...(promised && { budget: verdict(ratio, promised) }),
  };
}

/**
 * One that has nobody to be compared with. What is promised is promised of the figure itself.
 * @param {string} what @param {number[]} values @param {Show} show @param {Promised} [promised] @returns {Row}
 */
export function alone(what, values, show, promised) {
  const row = { what, ours: show(median(values)), ...(promised && { budget: verdict(median(values), promised) }) };
  if (values.length === 1) return row;
  return { ...row, spread: `${show(quantile(values, 0.25))} to ${show(quantile(values, 0.75))}, worst ${show(Math.max(...values))}` };
}

/** @param {Row[]} rows */
export function markdown(rows) {
  const used = columns.filter((column) => rows.some((row) => row[column]));
  const cells = rows.map((row) => used.map((column) => row[column] ?? ''));
  const widths = used.map((column, at) => Math.max(column.length, ...cells.map((line) => line[at].length)));
  const line = (/** @type {readonly string[]} */ texts) => `| ${texts.map((text, at) => text.padEnd(widths[at])).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [line(used), rule, ...cells.map(line)].join('\n');
}
