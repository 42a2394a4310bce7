// Brings a fresh clone to where it can build. Runs before any npm package is there, so it uses none.
// Each step looks first whether there is anything to do: the second time, all of them together take well under a second.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { step, TaskError } from './console.mjs';
import { attempt, root, run, which } from './run.mjs';
import { provide, wasmBindgen, wasmPack } from './tools.mjs';

/**
 * The packages, the toolchain and the programs that a build needs.
 * @param {import('./tools.mjs').Tool[]} [more] programs that something else needs
 */
export async function setup(more = []) {
  prerequisites();
  await together(step('npm packages', npmPackages), rustAndTools([wasmPack(), wasmBindgen(), ...more]));
}

/** @param {import('./tools.mjs').Tool[]} tools */
async function rustAndTools(tools) {
  await step(`Rust ${toolchain().channel}`, rust);
  // Two at a time: where they have to be compiled, one uses the processors that the other's linking leaves idle.
  const lane = async () => {
    for (let tool; (tool = tools.shift()); ) {
      const { name, version } = tool;
      await step(`${name} ${version}`, (report) => provide(/** @type {import('./tools.mjs').Tool} */ (tool), report));
    }
  };
  await together(lane(), lane());
}

/** Waits for all, then fails if one did: so that nothing goes on in the background of a failure. @param {unknown[]} work */
export async function together(...work) {
  const failure = (await Promise.allSettled(work)).find((result) => result.status === 'rejected');
  if (failure) throw failure.reason;
}

/** What nobody but the user can install. */
function prerequisites() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new TaskError(`Node.js ${process.versions.node} is too old: install 20.19 or newer from https://nodejs.org.`);
  }
  for (const program of ['rustup', 'cargo']) {
    if (!which(program)) {
      throw new TaskError(
        `${program} is missing, it manages the Rust compiler: install it from https://rustup.rs, then open a new terminal.`,
      );
    }
  }
  if (process.platform !== 'win32' && !which('cc')) {
    throw new TaskError(
      'cc is missing, with which Rust links programs: install it, on Debian and its relatives by `sudo apt-get install gcc libc6-dev`, ' +
        'on a Mac by `xcode-select --install`.',
    );
  }
}

/** @param {(line: string) => void} report */
async function npmPackages(report) {
  if (installedAsLocked()) return 'ready';
  // npm tells its scripts where it is itself. On Windows a bare "npm" is a batch file, which needs a shell.
  const npm = process.env.npm_execpath;
  const [program, args] = npm?.endsWith('.js') ? [process.execPath, [npm, 'ci']] : ['npm', ['ci']];
  await run(program, args, { report });
  return 'installed';
}

/** npm writes down what it installed: whether that is what the lock file wants, as far as this machine needs it. */
function installedAsLocked() {
  const record = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  /** @typedef {Record<string, { version?: string, integrity?: string, optional?: boolean }>} Packages */
  const read = (/** @type {string} */ path) => /** @type {Packages} */ (JSON.parse(readFileSync(path, 'utf8')).packages);
  const wanted = read(join(root, 'package-lock.json'));
  const present = read(record);
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    const here = present[path];
    if (path === '' || (optional && !here)) return true;
    return here?.version === version && here?.integrity === integrity;
  });
}

/** What rust-toolchain.toml asks for. */
export function toolchain() {
  const text = readFileSync(join(root, 'rust-toolchain.toml'), 'utf8');
  const channel = /^channel = "(.+)"/m.exec(text)?.[1];
  const targets = [...(/^targets = \[([^\]]*)\]/m.exec(text)?.[1] ?? '').matchAll(/"(.+?)"/g)].map((match) => match[1]);
  if (!channel || targets.length === 0) throw new TaskError('rust-toolchain.toml names no channel or no targets.');
  return { channel, targets };
}

/** @param {(line: string) => void} report */
async function rust(report) {
  if (await rustIsThere()) return 'ready';
  // cargo would add a missing toolchain by itself, but not where RUSTUP_AUTO_INSTALL=0; and never a missing target.
  await run('rustup', ['toolchain', 'install'], { report });
  if (!(await rustIsThere())) throw new TaskError('rustup finished, but something of rust-toolchain.toml is still missing.');
  return 'installed';
}

/** Looks at the files: asking rustup for each component takes ten times as long. */
async function rustIsThere() {
  const { channel, targets } = toolchain();
  const { code, stdout } = await attempt('rustup', ['run', channel, 'rustc', '--print', 'sysroot']);
  if (code !== 0) return false;
  const sysroot = stdout.trim();
  const programs = ['cargo', 'rustfmt', 'cargo-clippy'];
  return (
    programs.every((program) => which(program, join(sysroot, 'bin'))) &&
    targets.every((target) => existsSync(join(sysroot, 'lib', 'rustlib', target, 'lib')))
  );
}
