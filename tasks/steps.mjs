// The steps of `npm test`.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { browsers, chromiumPath, remedy } from './browsers.mjs';
import { TaskError } from './console.mjs';
import { brokenLinks } from './links.mjs';
import { leftOut, peer } from './peer.mjs';
import { attempt, root, run, which } from './run.mjs';
import { cargoDeny } from './tools.mjs';
import { release } from './wasm.mjs';

/** @typedef {(line: string) => void} Report */
/** @typedef {{ passed: number, failed: number, skipped?: number, why?: string, output: string }} Counts `why` some were skipped */
/**
 * @typedef {object} Step
 * @property {string} name
 * @property {string} about
 * @property {boolean} [browser]
 * @property {string[]} [needs] steps without which this one means nothing
 * @property {(report: Report) => Promise<Counts>} work
 */

/** Thrown by a step that cannot run here: says why, and what would help. */
export class Skip extends Error {}

const wasm = ['--target', 'wasm32-unknown-unknown'];
/** What also makes a Xen guest. */
const portable = ['mirage-sig', 'mirage-kv', 'mirage-net', 'mirage-tcpip', 'mirage-http', 'web-demo'];
const bareMetal = ['--target', 'x86_64-unknown-none', ...portable.flatMap((name) => ['--package', name])];
const strictDocs = { ...process.env, RUSTDOCFLAGS: '-D warnings' };
const node = process.execPath;
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js');

/** @type {Step[]} */
export const steps = [
  { name: 'fmt', about: 'Rust is formatted', work: check('cargo', ['fmt', '--all', '--check']) },
  { name: 'links', about: 'relative links in the documents lead somewhere', work: links },
  { name: 'clippy', about: 'lints, portable crates', work: check('cargo', ['clippy', '--all-targets', '--', '-D', 'warnings']) },
  { name: 'test', about: 'unit and documentation tests', work: counted('cargo', ['test', '--no-fail-fast'], rustCounts) },
  { name: 'doc', about: 'documentation, portable crates', work: check('cargo', ['doc', '--no-deps'], strictDocs) },
  { name: 'no-std', about: 'portable crates need no operating system', work: check('cargo', ['build', ...bareMetal]) },
  {
    name: 'clippy-wasm',
    about: 'lints, all other crates, for the browser',
    work: clippyWasm,
  },
  {
    name: 'doc-wasm',
    about: 'documentation, browser crates',
    work: check('cargo', ['doc', '--no-deps', ...wasm, '--package', 'platform-js-library'], strictDocs),
  },
  { name: 'deny', about: 'licences and origins of the crates', work: deny },
  { name: 'bundle', about: 'the release bundle builds', work: async (report) => one(await release(report)) },
  { name: 'types-tasks', about: 'types of the tasks and tests', work: check(node, [tsc, '-p', 'tasks']) },
  { name: 'types-benches', about: 'types of the benches', work: check(node, [tsc, '-p', 'benches']) },
  { name: 'types-www', about: 'types of the page', needs: ['bundle'], work: check(node, [tsc, '-p', 'www']) },
  { name: 'tasks', about: 'tests of the tasks', work: counted(node, ['--test', ...testFiles('tasks')], nodeCounts) },
  ...browsers.map((browser) => ({
    name: `wasm-${browser.name}`,
    about: `the conformance suites in ${browser.name}, in window and worker`,
    browser: true,
    work: (/** @type {Report} */ report) => wasmTests(browser, report),
  })),
  { name: 'build', about: 'the page builds', needs: ['bundle'], work: check(node, [vite, 'build', 'www']) },
  { name: 'page', about: 'what a student does, in Chromium', browser: true, needs: ['bundle'], work: page },
];

/** @param {string} output @returns {Counts} */
const one = (output) => ({ passed: 1, failed: 0, output });

/** A program that is content or not. @param {string} program @param {string[]} args @param {NodeJS.ProcessEnv} [env] */
function check(program, args, env) {
  return async (/** @type {Report} */ report) => one((await run(program, args, { env, report })).output);
}

/**
 * A program that says how many tests passed. One that ran none is broken, and so is one that failed without a failing test.
 * @param {string} program @param {string[]} args @param {(output: string) => Counts} count @param {NodeJS.ProcessEnv} [env]
 */
function counted(program, args, count, env) {
  return async (/** @type {Report} */ report) => {
    const { code, output } = await attempt(program, args, { env, report });
    const counts = count(output);
    if (code !== 0 && counts.failed === 0) counts.failed = 1;
    if (code === 0 && counts.passed === 0) throw new TaskError(`${output}\n\`${program} ${args.join(' ')}\` ran no tests.`);
    return counts;
  };
}

/** @param {string} output @param {RegExp} pattern */
const sum = (output, pattern) => [...output.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0);

/** Tests that did not run, with the reason if there is one. @param {string} output @param {RegExp} pattern */
const reasons = (output, pattern) => [...output.matchAll(pattern)].map(([, name, reason]) => `${name}: ${reason}`).join('; ');

/** @param {string} output @returns {Counts} */
function rustCounts(output) {
  const result = (/** @type {string} */ word) => sum(output, new RegExp(`^test result: .*?(\\d+) ${word}`, 'gm'));
  const why = reasons(output, /^test (.+) \.\.\. (ignored.*)$/gm);
  return { passed: result('passed'), failed: result('failed'), skipped: result('ignored'), why, output };
}

/** @param {string} output @returns {Counts} */
function nodeCounts(output) {
  const result = (/** @type {string} */ word) => sum(output, new RegExp(`^(?:ℹ|#) ${word} (\\d+)`, 'gm'));
  const why = reasons(output, /^(?:ok \d+ -|﹣) (.+?) (?:\(.+\) )?# (?:SKIP )?(.*)$/gm);
  return { passed: result('pass'), failed: result('fail') + result('cancelled'), skipped: result('skipped'), why, output };
}

/** @param {string} folder */
function testFiles(folder) {
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.test.mjs'))
    .map((name) => join(folder, name));
}

/** Of all crates that are not built on a bare host: those are for the browser. @param {Report} report */
async function clippyWasm(report) {
  const { stdout } = await run('cargo', ['metadata', '--no-deps', '--offline', '--format-version', '1']);
  const { packages, workspace_default_members: portable } = JSON.parse(stdout);
  const browser = packages.filter((/** @type {any} */ { id }) => !portable.includes(id));
  const names = browser.flatMap((/** @type {any} */ { name }) => ['--package', name]);
  return check('cargo', ['clippy', ...wasm, ...names, '--all-targets', '--', '-D', 'warnings'])(report);
}

async function links() {
  const { checked, broken } = await brokenLinks(root);
  if (broken.length > 0) throw new TaskError(broken.join('\n'));
  return one(`${checked} links`);
}

/** @param {Report} report */
async function deny(report) {
  if (!which('cargo-deny')) throw new Skip(`cargo-deny ${cargoDeny().version} not installed: \`npm test -- --install\` installs it`);
  // Advisories are left out: they come from a repository on the network and change without us.
  return check('cargo', ['deny', 'check', 'bans', 'licenses', 'sources'])(report);
}

/** @param {import('./browsers.mjs').Browser} browser @param {Report} report */
async function wasmTests(browser, report) {
  const missing = await browser.missing();
  if (missing.length > 0) throw new Skip(`${missing.join(' and ')} not installed: ${remedy(browser)}`);
  const [program, ...args] = browser.command();
  // The limit is for all tests of a file together, and this may be a slow machine.
  const env = { ...process.env, MIRAGE_TEST_PEER: await peer(), WASM_BINDGEN_TEST_TIMEOUT: '180' };
  const total = { passed: 0, failed: 0, skipped: 0, why: '', output: '' };
  // One by one: where wasm-pack runs several, it stops at the first that fails.
  for (const place of ['window', 'worker']) {
    const counts = await counted(program, [...args, 'tests-wasm', '--test', place], rustCounts, env)(report);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped ?? 0;
    total.why ||= counts.why ?? '';
    if (counts.failed > 0) total.output += counts.output;
  }
  // They end like tests that pass, as wasm-bindgen's harness knows no others.
  const without = leftOut();
  total.passed -= without.length;
  total.skipped += without.length;
  total.why = [total.why, ...without].filter(Boolean).join('; ');
  return total;
}

/** @param {Report} report */
async function page(report) {
  if (!chromiumPath()) throw new Skip(`chromium not installed: ${remedy(browsers[0])}`);
  return counted(node, ['--test', '--test-concurrency=1', ...testFiles('www/e2e')], nodeCounts)(report);
}
