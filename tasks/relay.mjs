// The relay, which a tab's network plugs into to leave the browser: built, and run beside the page or a test.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { TaskError } from './console.mjs';
import { root, run } from './run.mjs';

const file = process.platform === 'win32' ? 'mirage-relay.exe' : 'mirage-relay';
const program = join(process.env.CARGO_TARGET_DIR || join(root, 'target'), 'release', file);

/** Where `npm start` runs it, and the host's port that leads to the web site of the first domain that plugs in. */
export const usual = { listen: '127.0.0.1:8086', site: 8088 };

/** The first address that its gateway gives away, with the port of a web site. */
export const firstSite = '10.0.2.15:80';

/** Compiles it. @param {(line: string) => void} report */
export async function buildRelay(report) {
  await run('cargo', ['build', '--release', '--package', 'mirage-relay'], { report });
  return 'ready';
}

/**
 * Starts it, and waits until it listens. It ends with this process.
 * @param {string[]} args
 */
export async function startRelay(args) {
  const relay = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const end = () => relay.kill();
  process.on('exit', end);
  /** @type {string[]} */
  const said = [];
  const address = await new Promise((resolve, reject) => {
    createInterface(relay.stderr).on('line', (line) => {
      said.push(line);
      const found = /(ws:\/\/[^/]+)\/lan/.exec(line);
      if (found) resolve(found[1]);
    });
    relay.on('error', (error) => reject(new TaskError(`${program} could not be started: ${error.message}`)));
    relay.on('exit', () => reject(new TaskError(said.join('\n'))));
  });
  return {
    /** As in `ws://127.0.0.1:8086`. @type {string} */
    address,
    async stop() {
      process.off('exit', end);
      const ended = new Promise((resolve) => relay.on('exit', resolve));
      relay.kill();
      await ended;
    },
  };
}
