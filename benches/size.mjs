// What the browser fetches.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { bootPages } from './lib/build.mjs';

/** @typedef {{ raw: number, packed: number }} Size */

const kilobytes = (/** @type {number} */ bytes) => (bytes / 1000).toFixed(1);
const show = (/** @type {Size} */ { raw, packed }) => `${kilobytes(packed)} kB (${kilobytes(raw)})`;
const sum = (/** @type {Size[]} */ sizes) => sizes.reduce((all, size) => ({ raw: all.raw + size.raw, packed: all.packed + size.packed }));

/** Sizes of a built page's files, by name without the digest. @param {string} folder */
function files(folder) {
  const assets = readdirSync(join(folder, 'assets')).map((name) => join('assets', name));
  const entries = ['index.html', ...assets].map((name) => {
    const bytes = readFileSync(join(folder, name));
    const plain = name.replace(/^assets\//, '').replace(/-[\w-]{8}(?=\.\w+$)/, '');
    return /** @type {const} */ ([plain, { raw: bytes.length, packed: gzipSync(bytes, { level: 9 }).length }]);
  });
  return new Map(entries);
}

/** What the worker loads: the module, and the script around it. @param {Map<string, Size>} all */
function bundle(all) {
  const pick = (/** @type {RegExp} */ name) => {
    const found = [...all].find(([file]) => name.test(file));
    if (!found) throw new Error(`The built page has no file like ${name}: ${[...all.keys()].join(', ')}`);
    return found[1];
  };
  const parts = { wasm: pick(/\.wasm$/), script: pick(/^domain-worker\.js$/) };
  return { ...parts, whole: sum([parts.wasm, parts.script]) };
}

/** @type {import('./run.mjs').Bench} */
export const size = {
  name: 'size',
  about:
    'The release bundle as the page loads it into a worker, gzipped (and as it is), beside an empty wasm-bindgen module that was' +
    ' built in the same way; then all other files of the page.',
  async run(report) {
    const folders = await bootPages(report);
    const all = files(folders.ours);
    const [ours, empty] = [bundle(all), bundle(files(folders.empty))];
    /** @param {string} what @param {Size} size @param {Size} peer */
    const row = (what, size, peer) => {
      const ratio = (size.packed / peer.packed).toFixed(1);
      return { what, ours: show(size), peer: `empty: ${show(peer)}`, ratio };
    };
    const kept = ours.whole.packed <= 100_000;
    const rest = [...all].filter(([, size]) => size !== ours.wasm && size !== ours.script);
    const bundles = [
      row('WebAssembly', ours.wasm, empty.wasm),
      row("the worker's JavaScript", ours.script, empty.script),
      { ...row('both', ours.whole, empty.whole), budget: `at most 100 kB: ${kept ? 'met' : '**missed**'}` },
    ];
    const page = [...rest, /** @type {const} */ (['all', sum(rest.map(([, size]) => size))])];
    return { tables: { 'the bundle': bundles, 'the rest of the page': page.map(([what, size]) => ({ what, ours: show(size) })) } };
  },
};
