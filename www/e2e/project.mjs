// A copy of the project to edit, and the development server on it: the tests never touch the files of whoever runs them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { root } from '../../tasks/run.mjs';

const made = new Set(['.git', 'node_modules', 'target', 'pkg', 'dist']);
const patienceMs = 10 * 60_000;

/**
 * Without what is built, so that `npm start` does on it what it does on a fresh clone; only compiled crates and npm packages
 * are shared, to save minutes.
 */
export async function copyProject() {
  // Always the same place: cargo takes a crate in another one for another crate, and would keep what it made of each.
  const folder = join(root, 'target', 'student');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const ours = (/** @type {string} */ path) => !made.has(basename(path));
  for (const entry of (await readdir(root)).filter(ours)) {
    await cp(join(root, entry), join(folder, entry), { recursive: true, filter: ours });
  }
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
  return {
    folder,
    /** @param {string} path @param {(text: string) => string} change */
    async edit(path, change) {
      const before = await readFile(join(folder, path), 'utf8');
      const after = change(before);
      if (after === before) throw new Error(`${path} has nothing left that this test knows how to edit.`);
      await writeFile(join(folder, path), after);
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

export async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (probe.address());
  probe.close();
  return port;
}

/** What `npm start` does, until the page is served. @param {string} folder */
export async function startServer(folder) {
  const env = { ...process.env, CARGO_TARGET_DIR: process.env.CARGO_TARGET_DIR ?? join(root, 'target') };
  const server = spawn(process.execPath, ['tasks/start.mjs', '--port', String(await freePort())], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  /** @type {Set<() => void>} */
  const watchers = new Set();
  const tell = () => watchers.forEach((watcher) => watcher());
  for (const stream of [server.stdout, server.stderr]) {
    stream.on('data', (/** @type {Buffer} */ chunk) => {
      log += stripVTControlCharacters(chunk.toString());
      tell();
    });
  }
  server.once('exit', tell);

  /** Waits until it has printed this. @param {RegExp} pattern @returns {Promise<RegExpExecArray>} */
  const says = (pattern) =>
    new Promise((resolve, reject) => {
      const settle = (/** @type {() => void} */ how) => {
        clearTimeout(timer);
        watchers.delete(look);
        how();
      };
      const look = () => {
        const match = pattern.exec(log);
        if (match) settle(() => resolve(match));
        else if (server.exitCode !== null) settle(() => reject(new Error(`npm start ended (exit code ${server.exitCode}):\n${log}`)));
      };
      const late = () => settle(() => reject(new Error(`npm start did not print ${pattern} in ${patienceMs / 1000} s:\n${log}`)));
      const timer = setTimeout(late, patienceMs);
      watchers.add(look);
      look();
    });

  async function stop() {
    if (server.exitCode !== null || server.signalCode !== null) return;
    server.kill();
    await once(server, 'exit');
  }

  try {
    const [, address] = await says(/Open (http:\S+) in a browser/);
    return { address, says, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
