// The page as `npm run build` makes it, with its policy as strict as it is shipped, in a folder of a web server.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, preview } from 'vite';
import { root } from '../../tasks/run.mjs';

/** Builds the pages and serves them until `stop`. */
export async function servePages() {
  const outDir = await mkdtemp(join(tmpdir(), 'mirage-built-'));
  const configFile = join(root, 'www', 'vite.config.ts');
  /** @type {import('vite').InlineConfig} */
  const config = { configFile, logLevel: 'warn', build: { outDir, emptyOutDir: true } };
  await build(config);
  const server = await preview({ ...config, base: '/some/folder/', preview: { port: 0 } });
  return {
    address: server.resolvedUrls?.local[0] ?? '',
    async stop() {
      await server.close();
      await rm(outDir, { recursive: true });
    },
  };
}
