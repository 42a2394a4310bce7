// `npm run bench`: the numbers that the README claims. Names after `--` select some.
import { step, task } from './console.mjs';
import { setup } from './setup.mjs';
import { release } from './wasm.mjs';

await task(async () => {
  await setup();
  await step('release bundle', release);
  // Only now: it uses npm packages, which a fresh clone does not have.
  await import(new URL('../benches/run.mjs', import.meta.url).href);
});
