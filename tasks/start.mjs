// `npm start`: from a fresh clone to the page in a browser, and back to it after every save.
import { parseArgs } from 'node:util';
import { join } from 'node:path';
import { paint, print, step, task, TaskError } from './console.mjs';
import { root } from './run.mjs';
import { setup } from './setup.mjs';
import { release } from './wasm.mjs';

await task(async () => {
  const { values } = parseArgs({ options: { port: { type: 'string' } } });
  await setup();
  await step('release bundle', release).catch(sourceIsBroken);
  await serve(Number(values.port ?? 5173));
});

/** A source that does not compile keeps nobody from the page: it shows the error, and the next save mends it. @param {unknown} error */
function sourceIsBroken(error) {
  if (!(error instanceof TaskError)) throw error;
  print(error.message);
}

/** @param {number} port */
async function serve(port) {
  // Only now: on a fresh clone Vite was not there before.
  const { createServer } = await import('vite');
  const server = await createServer({ configFile: join(root, 'www', 'vite.config.ts'), clearScreen: false, server: { port } });
  await server.listen();
  const address = server.resolvedUrls?.local[0];
  print(`\n  Open ${paint('bold', address ?? '')} in a browser.`);
  print('  Edit web-demo/src/lib.rs and save: the page follows. Ctrl-C ends it.\n');
}
