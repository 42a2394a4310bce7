import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { provide, wasmBindgen } from './tools.mjs';

const tool = wasmBindgen('9.9.9');
const shell = process.platform === 'win32' ? 'the tools here are shell scripts' : false;
const realPath = process.env.PATH;

/** @type {string} */
let folder;
/** @type {string[]} */
let lines;
const report = (/** @type {string} */ line) => void lines.push(line);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tools-'));
  lines = [];
  process.env.XDG_CACHE_HOME = join(folder, 'cache');
  process.env.PATH = realPath;
});
afterEach(() => rm(folder, { recursive: true }));

/** A folder with programs that know nothing but their version. @param {string} name @param {string} version */
async function programs(name, version) {
  const bin = join(folder, name);
  await mkdir(bin, { recursive: true });
  for (const program of tool.programs) await script(join(bin, program), `echo "${program} ${version}"`);
  return bin;
}

/** @param {string} path @param {string} body */
async function script(path, body) {
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
}

/** A cargo that installs programs of this version, and writes down its arguments. @param {string} version */
async function cargo(version) {
  const compiled = await programs('compiled', version);
  const bin = join(folder, 'cargo-bin');
  await mkdir(bin);
  const copy = `while [ "$1" != --root ]; do shift; done; mkdir -p "$2/bin"; cp ${compiled}/* "$2/bin/"`;
  await script(join(bin, 'cargo'), `echo "$@" > ${join(folder, 'cargo-arguments')}\n${copy}`);
  process.env.PATH = `${bin}${delimiter}${process.env.PATH}`;
}

/**
 * Releases on the loopback interface: with an archive every path gives it, without one none does.
 * @param {import('node:test').TestContext} t @param {Buffer} [archive]
 */
async function releases(t, archive) {
  /** @type {(string | undefined)[]} */
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    response.writeHead(archive ? 200 : 404).end(archive);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  process.env.MIRAGE_RELEASES_URL = `http://127.0.0.1:${address.port}`;
  t.after(() => server.close());
  return asked;
}

/** @param {string} version */
async function archiveOf(version) {
  await programs('wasm-bindgen-9.9.9-some-host', version);
  return execFileSync('tar', ['-czf', '-', '-C', folder, 'wasm-bindgen-9.9.9-some-host']);
}

/** What PATH leads to now. */
const found = () => execFileSync('wasm-bindgen', ['--version'], { encoding: 'utf8' }).trim();

test('a tool of the right version on PATH is used', { skip: shell }, async (t) => {
  const asked = await releases(t);
  process.env.PATH = `${await programs('mine', '9.9.9')}${delimiter}${realPath}`;
  const before = process.env.PATH;
  assert.equal(await provide(tool, report), 'ready');
  assert.equal(process.env.PATH, before);
  assert.deepEqual(asked, []);
});

test('a prebuilt release is fetched once, and preferred to another version on PATH', { skip: shell }, async (t) => {
  const asked = await releases(t, await archiveOf('9.9.9'));
  process.env.PATH = `${await programs('mine', '9.9.8')}${delimiter}${realPath}`;
  assert.equal(await provide(tool, report), 'downloaded');
  assert.match(asked[0] ?? '', /^\/wasm-bindgen\/wasm-bindgen\/releases\/download\/9\.9\.9\/wasm-bindgen-9\.9\.9-\S+\.tar\.gz$/);
  assert.equal(found(), 'wasm-bindgen 9.9.9');
  assert.equal(await provide(tool, report), 'ready');
  assert.equal(asked.length, 1);
  // Nothing half-made is left beside it.
  assert.deepEqual(await readdir(join(folder, 'cache', 'mirage-tools')), ['wasm-bindgen-cli-9.9.9']);
});

test('where there is no release, it is compiled', { skip: shell }, async (t) => {
  await releases(t);
  await cargo('9.9.9');
  assert.equal(await provide(tool, report), 'compiled');
  assert.equal(found(), 'wasm-bindgen 9.9.9');
  assert.match(await readFile(join(folder, 'cargo-arguments'), 'utf8'), /^install wasm-bindgen-cli --version 9\.9\.9 --root \S+$/m);
  assert.match(lines.join('\n'), /the server answered 404/);
});

for (const [what, archive] of /** @type {[string, () => Promise<Buffer>][]} */ ([
  ['of another version', () => archiveOf('9.9.7')],
  ['that is cut off', async () => (await archiveOf('9.9.9')).subarray(0, 40)],
  ['that is a web page', async () => Buffer.from('<!doctype html><title>Sign in</title>')],
])) {
  test(`a release ${what} is not used`, { skip: shell }, async (t) => {
    await releases(t, await archive());
    await cargo('9.9.9');
    assert.equal(await provide(tool, report), 'compiled');
    assert.equal(found(), 'wasm-bindgen 9.9.9');
  });
}

test('a server that does not answer is given up on', { skip: shell }, async (t) => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.after(() => silent.closeAllConnections() ?? silent.close());
  process.env.MIRAGE_RELEASES_URL = `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (silent.address()).port}`;
  await cargo('9.9.9');
  assert.equal(await provide(tool, report), 'compiled');
  assert.match(lines.join('\n'), /no answer in 10 s/);
});

test('when everything fails, the message says what to do and nothing is left behind', { skip: shell }, async (t) => {
  await releases(t);
  await cargo('9.9.7');
  await assert.rejects(provide(tool, report), /could neither be downloaded nor compiled.*cargo install wasm-bindgen-cli --version 9\.9\.9/s);
  assert.deepEqual(await readdir(join(folder, 'cache', 'mirage-tools')), []);
});
