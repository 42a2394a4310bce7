// The other end of the network for the tests in browsers: tests-wasm/peer.mjs, started when it is first needed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { root } from './run.mjs';

// The tests know its address from when they are compiled: as long as it stays the same, they need not be compiled again.
const usualPort = 8731;

/** @type {Promise<string> | undefined} */
let address;

/** What tests said of themselves since they were last asked. @type {string[]} */
const said = [];

/** The tests that did not run, and why, since this was last asked. */
export const leftOut = () => said.splice(0);

/** Its address. It ends with this process. */
export const peer = () => (address ??= start(usualPort).catch(() => start(0)));

/** @param {number} port @returns {Promise<string>} */
async function start(port) {
  const server = spawn(process.execPath, [join(root, 'tests-wasm', 'peer.mjs')], {
    env: { ...process.env, PORT: String(port) },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const lines = createInterface(server.stdout);
  const listening = once(lines, 'line').then(([line]) => String(line));
  const ended = once(server, 'exit').then(() => Promise.reject(new Error(`tests-wasm/peer.mjs does not run on port ${port}`)));
  const address = await Promise.race([listening, ended]);
  lines.on('line', (line) => {
    if (line.startsWith('left out: ')) said.push(line.slice('left out: '.length));
  });
  // It ends when its standard input does, with this process, and does not keep it waiting.
  for (const handle of [server, server.stdin, server.stdout]) /** @type {any} */ (handle).unref();
  return address;
}
