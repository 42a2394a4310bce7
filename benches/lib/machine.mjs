// Where and when the figures were taken.
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { browsers, chromiumPath, remedy } from '../../tasks/browsers.mjs';
import { TaskError } from '../../tasks/console.mjs';
import { attempt, which } from '../../tasks/run.mjs';

/** @param {string | undefined} program */
async function version(program) {
  if (!program) return [];
  const { stdout } = await attempt(program, ['--version']);
  return [stdout.trim().replace(/ built on.*/, '')];
}

/** In one line. The load is that of the minute before: above one, somebody else was measured as well. */
export async function machine() {
  const [{ model }] = cpus();
  const programs = [...(await version(chromiumPath())), ...(await version(which('firefox-esr') ?? which('firefox')))];
  const hardware = `${cpus().length} × ${model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()}`;
  const when = new Date().toISOString().slice(0, 16).replace('T', ' ');
  return `${when} UTC, ${hardware}, ${[...programs, `Node ${process.versions.node}`].join(', ')}, load ${loadavg()[0].toFixed(1)}`;
}

/** Without a browser there is nothing to measure. */
export function needsChromium() {
  if (!chromiumPath()) throw new TaskError(`Chromium is not installed: ${remedy(browsers[0])}.`);
}
