// How long a student waits after a save.
import { join } from 'node:path';
import { domain, openBrowser, openPage } from '../www/e2e/browser.mjs';
import { copyProject, startServer } from '../www/e2e/project.mjs';
import { built } from './lib/build.mjs';
import { alone, inUnits } from './lib/table.mjs';

const saves = 12;
const demo = 'web-demo/src/lib.rs';

/** @type {import('./run.mjs').Bench} */
export const edit = {
  name: 'edit',
  about: 'From a save of `web-demo/src/lib.rs` to the new text on the page, with the development server that `npm start` starts.',
  async run(report) {
    const { CARGO_TARGET_DIR } = process.env;
    const project = await copyProject();
    let server;
    let browser;
    try {
      report('npm start on a copy of the project');
      // Not into the project's own folder: cargo tells crates by their place in the workspace, and would take what was made of the
      // copy's sources for what is made of the project's.
      process.env.CARGO_TARGET_DIR = join(built, 'edit');
      server = await startServer(project.folder);
      browser = await openBrowser();
      const { page } = await openPage(browser);
      await page.goto(server.address);
      await domain(page, 'web-demo').is('running');
      await server.says(/ready for edits/);

      /** @type {number[]} seconds */
      const times = [];
      let greeting = 'Hello';
      for (let save = 1; save <= saves; save += 1) {
        report(`save ${save} of ${saves}`);
        const next = `Greeting number ${save}`;
        const start = performance.now();
        await project.edit(demo, (text) => text.replace(greeting, next));
        // Looks at every frame.
        await page.waitForFunction((text) => document.body?.textContent.includes(text), `${next},`);
        times.push((performance.now() - start) / 1000);
        greeting = next;
      }
      const row = alone('save to screen', times, inUnits('s'), { side: 'at most', limit: 1.5, unit: 's' });
      return { tables: { Chromium: [row] } };
    } finally {
      await browser?.close();
      await server?.stop();
      await project.remove();
      if (CARGO_TARGET_DIR === undefined) delete process.env.CARGO_TARGET_DIR;
      else process.env.CARGO_TARGET_DIR = CARGO_TARGET_DIR;
    }
  },
};
