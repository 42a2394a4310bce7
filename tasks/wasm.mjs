// The release bundle: platform-js as the page loads it.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { TaskError } from './console.mjs';
import { root, run } from './run.mjs';

export const packageFolder = join(root, 'platform-js', 'pkg');
const wasmFile = join(packageFolder, 'platform_js_bg.wasm');
const stampFile = join(packageFolder, '.stamp');

// Only what makes the module smaller once it is gzipped. -O3 and -Oz make it smaller as it is, but less alike, and leave one
// percent more; functions in the order of their names, with those that are alike side by side, take one percent away.
const optimisation = [
  ...['--dce', '--remove-unused-brs', '--optimize-instructions', '--code-folding', '--dae-optimizing'],
  ...['--duplicate-function-elimination', '--merge-blocks', '--vacuum', '--remove-unused-module-elements'],
  ...['--remove-unused-names', '--duplicate-function-elimination', '--reorder-locals', '--reorder-functions-by-name'],
];

/**
 * The folders whose sources end up in the bundle: platform-js and what it depends on inside the workspace.
 * @returns {Promise<string[]>}
 */
export async function crateFolders() {
  const { stdout } = await run('cargo', ['metadata', '--no-deps', '--offline', '--format-version', '1']);
  /** @typedef {{ path?: string, kind: string | null }} Dependency */
  /** @typedef {{ name: string, manifest_path: string, dependencies: Dependency[] }} Package */
  const packages = new Map(
    /** @type {Package[]} */ (JSON.parse(stdout).packages).map((crate) => [dirname(crate.manifest_path), crate]),
  );
  const start = [...packages].find(([, crate]) => crate.name === 'platform-js')?.[0];
  if (!start) throw new TaskError('The workspace has no crate platform-js. Is Cargo.toml as in git?');
  const folders = new Set([start]);
  // A set also yields what is added while it is gone through.
  for (const folder of folders) {
    for (const { path, kind } of packages.get(folder)?.dependencies ?? []) {
      if (path && kind !== 'dev') folders.add(path);
    }
  }
  return [...folders];
}

/** Whether a file of a crate's folder is a source: everything but what builds and tools write there. @param {string} path */
export const isSource = (path) => !path.split(sep).some((part) => part === 'pkg' || part === 'target' || part.startsWith('.'));

/** A digest of all that the release bundle is made from. */
async function digestSources() {
  const files = (await crateFolders()).flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => isSource(path.slice(folder.length))),
  );
  const common = ['Cargo.toml', 'Cargo.lock', 'rust-toolchain.toml', 'tasks/wasm.mjs', 'node_modules/binaryen/package.json'];
  return digest([...files.sort(), ...common.map((file) => join(root, file))]);
}

/** @param {string[]} paths */
function digest(paths) {
  const hash = createHash('sha256');
  for (const path of paths) {
    const content = readFileSync(path);
    hash.update(`${path.slice(root.length)}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

/** Builds platform-js/pkg unless it is there already. @param {(line: string) => void} report */
export async function release(report) {
  const sources = await digestSources();
  if (isCurrent(sources)) return 'ready';
  await run('wasm-pack', ['build', 'platform-js', '--mode', 'no-install'], { report });
  await optimise(report);
  await writeFile(stampFile, `${sources}\n${digest([wasmFile])}\n`);
  const bytes = readFileSync(wasmFile).length;
  return `built, ${(bytes / 1000).toFixed(0)} kB of wasm`;
}

/** Whether the release bundle is what the sources say now. */
export const releaseIsCurrent = async () => isCurrent(await digestSources());

/** Also notices that somebody ran wasm-pack by hand since, which leaves a bundle that is not optimised. @param {string} sources */
function isCurrent(sources) {
  try {
    return readFileSync(stampFile, 'utf8') === `${sources}\n${digest([wasmFile])}\n`;
  } catch {
    return false;
  }
}

/**
 * Always with binaryen's own wasm-opt, as npm has it: version 108, which Debian has, silently breaks the module. It reads from
 * the module itself which features are allowed.
 * @param {(line: string) => void} report
 */
async function optimise(report) {
  report('wasm-opt');
  const draft = `${wasmFile}.draft`;
  const program = join(root, 'node_modules', 'binaryen', 'bin', 'wasm-opt');
  // The names are there until the functions are in their order.
  await run(process.execPath, [program, '-g', ...optimisation, wasmFile, '-o', draft], { report });
  await run(process.execPath, [program, '--strip-debug', '--strip-producers', draft, '-o', draft], { report });
  await rename(draft, wasmFile);
}
