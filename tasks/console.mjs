// What a task prints: one line per step, and while a step runs, what it is doing.
import { stripVTControlCharacters, styleText } from 'node:util';

const terminal = process.stdout.isTTY === true;
const logEveryMs = 10_000;
let shown = false;
let loggedAt = Date.now();

/** @param {'green' | 'red' | 'yellow' | 'bold' | 'dim'} style @param {string} text */
export const paint = (style, text) => (terminal ? styleText(style, text) : text);

/** @param {number} since a `Date.now()` */
export const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;

/** Prints a line that stays. @param {string} [line] */
export function print(line = '') {
  if (shown) process.stdout.write('\r\x1b[K');
  shown = false;
  process.stdout.write(`${line}\n`);
}

/**
 * Says what is going on: on a terminal as one line that the next one replaces, in a log now and then.
 * @param {string} what @param {string} line
 */
export function progress(what, line) {
  const text = `  ${what}: ${stripVTControlCharacters(line).trim()}`;
  if (terminal) {
    process.stdout.write(`\r\x1b[K${paint('dim', text.slice(0, (process.stdout.columns || 80) - 1))}`);
    shown = true;
  } else if (Date.now() - loggedAt >= logEveryMs) {
    loggedAt = Date.now();
    print(text);
  }
}

/**
 * Runs one step and prints its name, what came of it and how long it took.
 * @template T
 * @param {string} name
 * @param {(report: (line: string) => void) => Promise<T> | T} work a returned string is the step's outcome, e.g. "ready"
 * @returns {Promise<T>}
 */
export async function step(name, work) {
  const start = Date.now();
  progress(name, '…');
  try {
    const outcome = await work((line) => progress(name, line));
    const detail = typeof outcome === 'string' ? outcome : 'done';
    print(`${paint('green', '✓')} ${name.padEnd(28)} ${detail.padEnd(24)} ${paint('dim', seconds(start))}`);
    return outcome;
  } catch (error) {
    print(`${paint('red', '✗')} ${name.padEnd(28)} ${'failed'.padEnd(24)} ${paint('dim', seconds(start))}`);
    throw error;
  }
}

/** A failure that the person at the keyboard can mend: its message is all they need, a stack would only distract. */
export class TaskError extends Error {}

/** Runs a task's main function; its failure is the exit code. @param {() => Promise<void>} main */
export async function task(main) {
  try {
    await main();
  } catch (error) {
    print(error instanceof TaskError ? error.message : error instanceof Error ? String(error.stack) : String(error));
    process.exitCode = 1;
  }
}
