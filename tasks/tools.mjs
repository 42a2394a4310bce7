// The programs cargo does not bring along. Each is looked for on PATH, then in a cache of this user's, by version; else its
// prebuilt release is fetched; else it is compiled, which needs nothing but the package registry.
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { TaskError } from './console.mjs';
import { attempt, root, which } from './run.mjs';

/**
 * @typedef {object} Tool
 * @property {string} name the crate's name
 * @property {string} version
 * @property {string[]} programs the first one is asked for its version
 * @property {(host: Host) => string | undefined} release path of the prebuilt archive on GitHub
 * @property {boolean} locked whether the versions its authors built it with can still be had
 * @property {boolean} optimised whether running it faster is worth compiling it longer
 */
/** @typedef {{ arch: 'x86_64' | 'aarch64', os: 'linux' | 'darwin' | 'win32' }} Host */

const connectMs = 10_000;
const suffix = process.platform === 'win32' ? '.exe' : '';

/** The target a Rust project names its releases after. @param {Host} host */
const triple = ({ arch, os }) =>
  ({ linux: `${arch}-unknown-linux-musl`, darwin: `${arch}-apple-darwin`, win32: 'x86_64-pc-windows-msvc' })[os];

/** @param {string} version @returns {Tool} */
export const wasmPack = (version = '0.15.1') => ({
  name: 'wasm-pack',
  version,
  programs: ['wasm-pack'],
  release: (host) =>
    `wasm-bindgen/wasm-pack/releases/download/v${version}/wasm-pack-v${version}-${triple(host)}.tar.gz`,
  locked: true,
  optimised: false,
});

/** The command has to be of the very version of the crate, which Cargo.lock pins. @returns {Tool} */
export const wasmBindgen = (version = lockedVersion('wasm-bindgen')) => ({
  name: 'wasm-bindgen-cli',
  version,
  programs: ['wasm-bindgen', 'wasm-bindgen-test-runner'],
  release: (host) =>
    `wasm-bindgen/wasm-bindgen/releases/download/${version}/wasm-bindgen-${version}-${triple(host)}.tar.gz`,
  // Its own lock file wants a version of a crate that was withdrawn.
  locked: false,
  // It runs on every save.
  optimised: true,
});

/** Drives Firefox. @returns {Tool} */
export const geckodriver = (version = '0.37.1') => ({
  name: 'geckodriver',
  version,
  programs: ['geckodriver'],
  release: ({ arch, os }) => {
    const host = { linux: arch === 'x86_64' ? 'linux64' : 'linux-aarch64', darwin: arch === 'x86_64' ? 'macos' : 'macos-aarch64' };
    // For Windows there is only a zip: that one is compiled.
    return os === 'win32' ? undefined : `mozilla/geckodriver/releases/download/v${version}/geckodriver-v${version}-${host[os]}.tar.gz`;
  },
  locked: true,
  optimised: false,
});

/** Checks licences and origins of the crates. @returns {Tool} */
export const cargoDeny = (version = '0.20.2') => ({
  name: 'cargo-deny',
  version,
  programs: ['cargo-deny'],
  release: (host) => `EmbarkStudios/cargo-deny/releases/download/${version}/cargo-deny-${version}-${triple(host)}.tar.gz`,
  locked: true,
  optimised: false,
});

/** @param {string} crate */
export function lockedVersion(crate) {
  const lock = readFileSync(join(root, 'Cargo.lock'), 'utf8');
  const version = new RegExp(`^name = "${crate}"\r?\nversion = "(.+)"`, 'm').exec(lock)?.[1];
  if (!version) throw new TaskError(`Cargo.lock has no package "${crate}". Restore it from git.`);
  return version;
}

/** @param {Tool} tool */
function cacheFolder(tool) {
  const cache =
    process.platform === 'win32'
      ? (process.env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'))
      : process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(cache, 'mirage-tools', `${tool.name}-${tool.version}`);
}

/** Whether a folder holds the tool in the version wanted. @param {Tool} tool @param {string} folder */
async function holds(tool, folder) {
  if (!tool.programs.every((program) => existsSync(join(folder, program + suffix)))) return false;
  const { output } = await attempt(join(folder, tool.programs[0] + suffix), ['--version']).catch(() => ({ output: '' }));
  return output.split(/\s+/)[1] === tool.version;
}

/** The folder of a tool that is installed already. @param {Tool} tool */
export async function find(tool) {
  const onPath = which(tool.programs[0]);
  const folders = [...(onPath ? [dirname(onPath)] : []), join(cacheFolder(tool), 'bin')];
  for (const folder of folders) if (await holds(tool, folder)) return folder;
  return undefined;
}

/** Lets PATH lead to a tool if it is installed. @param {Tool} tool */
export async function use(tool) {
  const found = await find(tool);
  if (found) usePath(tool, found);
  return found !== undefined;
}

/**
 * Makes sure that a tool is there and that PATH leads to it. Returns how it was come by.
 * @param {Tool} tool @param {(line: string) => void} report
 */
export async function provide(tool, report) {
  if (await use(tool)) return 'ready';
  const folder = cacheFolder(tool);
  // Built beside its final place and moved there whole: what was interrupted is never taken for a tool.
  const draft = `${folder}.${process.pid}`;
  try {
    await mkdir(join(draft, 'bin'), { recursive: true });
    const origin = (await download(tool, draft, report)) ?? (await compile(tool, draft, report));
    await rm(folder, { recursive: true, force: true });
    await rename(draft, folder);
    usePath(tool, join(folder, 'bin'));
    return origin;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** A folder that PATH leads to stays where it is, so that the order of what else is in it does not change.
 * @param {Tool} tool @param {string} folder
 */
function usePath(tool, folder) {
  const onPath = which(tool.programs[0]);
  if (onPath && dirname(onPath) === folder) return;
  process.env.PATH = `${folder}${delimiter}${process.env.PATH ?? ''}`;
}

/** @returns {Host | undefined} */
function thisHost() {
  const arch = { x64: 'x86_64', arm64: 'aarch64' }[/** @type {string} */ (process.arch)];
  const os = ['linux', 'darwin', 'win32'].find((name) => name === process.platform);
  return arch && os ? /** @type {Host} */ ({ arch, os }) : undefined;
}

/**
 * Undefined if there is no release that runs here: then it has to be compiled, and the report says why.
 * @param {Tool} tool @param {string} draft @param {(line: string) => void} report
 */
async function download(tool, draft, report) {
  const host = thisHost();
  const path = host && tool.release(host);
  if (!path) return undefined;
  const url = `${process.env.MIRAGE_RELEASES_URL || 'https://github.com'}/${path}`;
  const connecting = new AbortController();
  const timer = setTimeout(() => connecting.abort(new Error(`no answer in ${connectMs / 1000} s`)), connectMs);
  try {
    report(`downloading ${url}`);
    const response = await fetch(url, { signal: connecting.signal });
    clearTimeout(timer);
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const archive = join(draft, basename(path));
    await writeFile(archive, Buffer.from(await response.arrayBuffer()));
    const unpacked = await attempt('tar', ['-xzf', archive, '-C', draft]);
    if (unpacked.code !== 0) throw new Error(`not an archive: ${unpacked.output.trim()}`);
    await collect(tool, draft);
    if (!(await holds(tool, join(draft, 'bin')))) throw new Error(`it does not run here as version ${tool.version}`);
    return 'downloaded';
  } catch (error) {
    const cause = error instanceof Error ? (error.cause instanceof Error ? error.cause : error) : undefined;
    report(`no prebuilt ${tool.name} (${cause?.message ?? error}), compiling it instead`);
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

/** Moves the programs of an unpacked archive to bin/. @param {Tool} tool @param {string} draft */
async function collect(tool, draft) {
  const programs = tool.programs.map((program) => program + suffix);
  for (const entry of await readdir(draft, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !programs.includes(entry.name)) continue;
    const target = join(draft, 'bin', entry.name);
    await rename(join(entry.parentPath, entry.name), target);
    await chmod(target, 0o755);
  }
}

/** @param {Tool} tool @param {string} draft @param {(line: string) => void} report */
async function compile(tool, draft, report) {
  const args = ['install', tool.name, '--version', tool.version, '--root', draft, ...(tool.locked ? ['--locked'] : [])];
  // Its authors' release settings would take two to three times as long.
  const profile = {
    CARGO_PROFILE_RELEASE_LTO: 'off',
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '16',
    CARGO_PROFILE_RELEASE_DEBUG: 'false',
    ...(!tool.optimised && { CARGO_PROFILE_RELEASE_OPT_LEVEL: '0' }),
  };
  const { code, output } = await attempt('cargo', args, { report, env: { ...process.env, ...profile } });
  if (code !== 0 || !(await holds(tool, join(draft, 'bin')))) {
    throw new TaskError(
      `${output.trimEnd()}\n${tool.name} ${tool.version} could neither be downloaded nor compiled. ` +
        `Is there a network? Once \`cargo ${args.filter((arg) => arg !== '--root' && arg !== draft).join(' ')}\` works, so does this.`,
    );
  }
  return 'compiled';
}
