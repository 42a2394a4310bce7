// `npm run build`: the page as files for any web server, in www/dist.
import { join } from 'node:path';
import { step, task } from './console.mjs';
import { root, run } from './run.mjs';
import { setup } from './setup.mjs';
import { release } from './wasm.mjs';

await task(async () => {
  await setup();
  await step('release bundle', release);
  await step('page', (report) => page(report));
});

/** @param {(line: string) => void} report */
async function page(report) {
  await run(process.execPath, [join(root, 'node_modules', 'vite', 'bin', 'vite.js'), 'build', 'www'], { report });
  return 'built in www/dist';
}
