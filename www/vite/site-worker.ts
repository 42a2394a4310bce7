// The site worker is one classic script at the page's base: not every browser runs service workers that are modules.
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'vite';

const source = fileURLToPath(new URL('../src/site-worker.ts', import.meta.url));
const file = 'site-worker.js';

/** Emits `site-worker.js` beside the pages, and serves it from there during development. */
export function siteWorker(): Plugin {
  return {
    name: 'site-worker',
    async generateBundle() {
      this.emitFile({ type: 'asset', fileName: file, source: await bundle(true) });
    },
    configureServer({ middlewares }) {
      middlewares.use((request, response, next) => {
        if (request.url?.split('?')[0] !== `/${file}`) return next();
        bundle(false).then((code) => {
          response.setHeader('Content-Type', 'text/javascript');
          response.setHeader('Cache-Control', 'no-store');
          response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
          response.end(code);
        }, next);
      });
    },
  };
}

async function bundle(minify: boolean): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: 'warn',
    build: {
      write: false,
      minify,
      target: 'esnext',
      modulePreload: false,
      rolldownOptions: { input: source, output: { format: 'iife' } },
    },
  });
  const [chunk] = Array.isArray(built) ? built.flatMap(({ output }) => output) : 'output' in built ? built.output : [];
  if (chunk?.type !== 'chunk') throw new Error(`${source} gave no script`);
  return chunk.code;
}
