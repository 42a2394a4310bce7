// `npm start`: from a fresh clone to the page in a browser, and back to it after every save.
import { parseArgs } from 'node:util';
import { join } from 'node:path';
import { paint, print, step, task, TaskError } from './console.mjs';
import { buildRelay, firstSite, startRelay, usual } from './relay.mjs';
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
  await relay();
}

/** Beside the page, which does not wait for it: a domain that plugs in is on a network with the rest of the world. */
async function relay() {
  try {
    await step('relay', buildRelay);
    const { address } = await startRelay(['--listen', usual.listen, '--forward', `${usual.site}:${firstSite}`]);
    print(`\n  A domain with the argument net=${address}/lan/0 leaves the browser.`);
    print(`  The web site of the first one is then at http://127.0.0.1:${usual.site}/ for every program here.\n`);
  } catch (error) {
    if (!(error instanceof TaskError)) throw error;
    print(`${error.message}\n  The page goes on without the relay.\n`);
  }
}
