// What the benches load, built as the page is built, and served from one place.
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { build, preview } from 'vite';
import { root, run } from '../../tasks/run.mjs';

/** @typedef {(line: string) => void} Report */

export const built = join(root, 'target', 'bench');
const site = join(built, 'site');
const pages = join(root, 'benches', 'pages');
const page = join(root, 'www', 'vite.config.ts');

/** Compiles a crate of this folder just as tasks/wasm.mjs does platform-js. @param {string} crate @param {Report} report */
async function pack(crate, report) {
  const folder = join(built, crate);
  await run('wasm-pack', ['build', `benches/${crate}`, '--mode', 'no-install', '--out-dir', folder, '--out-name', crate], { report });
  const wasm = join(folder, `${crate}_bg.wasm`);
  const optimiser = join(root, 'node_modules', 'binaryen', 'bin', 'wasm-opt');
  await run(process.execPath, [optimiser, '-O3', wasm, '-o', `${wasm}.draft`], { report });
  await rename(`${wasm}.draft`, wasm);
  return join(folder, `${crate}.js`);
}

/** The page as it is shipped, and the same page around an empty module. @param {Report} report */
export async function bootPages(report) {
  const folders = { ours: join(site, 'ours'), empty: join(site, 'empty') };
  const empty = await pack('empty', report);
  report('the pages');
  await build({ configFile: page, logLevel: 'warn', build: { outDir: folders.ours, emptyOutDir: true } });
  await build({
    configFile: page,
    logLevel: 'warn',
    resolve: { alias: { 'platform-js': join(pages, 'src', 'empty-platform.ts'), 'bench-empty': empty } },
    plugins: [
      {
        name: 'empty-instead',
        enforce: 'pre',
        resolveId: (id) => (id.endsWith('/src/main.ts') ? join(pages, 'src', 'empty-main.ts') : undefined),
      },
    ],
    build: { outDir: folders.empty, emptyOutDir: true },
  });
  return folders;
}

/** The pages of this folder, with the unikernel that they time. @param {Report} report */
export async function benchPages(report) {
  const unikernel = await pack('unikernel', report);
  report('the pages');
  await build({
    configFile: false,
    logLevel: 'warn',
    root: pages,
    base: './',
    resolve: { alias: { 'bench-unikernel': unikernel } },
    worker: { format: 'es' },
    build: {
      target: 'esnext',
      outDir: join(site, 'pages'),
      emptyOutDir: true,
      rolldownOptions: { input: ['kv.html', 'timers.html', 'net.html'].map((file) => join(pages, file)) },
    },
  });
}

/** Serves what was built, as the page is served: isolated, so that clocks are fine. */
export async function serve() {
  const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
  const server = await preview({
    configFile: false,
    logLevel: 'warn',
    root: built,
    appType: 'mpa',
    build: { outDir: site },
    preview: { host: '127.0.0.1', port: 0, headers },
  });
  return { address: server.resolvedUrls?.local[0] ?? '', close: () => server.close() };
}
