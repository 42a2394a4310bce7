import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { allowDevelopment } from './vite/content-security-policy.ts';
import { editLoop } from './vite/edit-loop.ts';
import { siteWorker } from './vite/site-worker.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// Cross-origin isolation: SharedArrayBuffer between domains, and clocks that are not coarsened.
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};
const server = { host: '127.0.0.1', strictPort: false, headers };

export default defineConfig({
  root: here('.'),
  // Relative addresses: the built page can be put into any folder of any web server.
  base: './',
  plugins: [editLoop(), allowDevelopment(), siteWorker()],
  resolve: { alias: { 'platform-js': here('../platform-js/pkg/platform_js.js') } },
  // The page uses no npm package, so there is nothing to look for.
  optimizeDeps: { noDiscovery: true },
  server: { ...server, fs: { allow: [here('.'), here('../platform-js/pkg'), here('../target/edit-loop/pkg')] } },
  preview: server,
  worker: { format: 'es' },
  build: {
    target: 'esnext',
    rolldownOptions: { input: [here('index.html'), here('embed.html')] },
  },
});
