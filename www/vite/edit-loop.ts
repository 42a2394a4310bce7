// While the development server runs: a saved Rust file is compiled at once, and the page shows what came of it.
import { readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { normalizePath, type ErrorPayload, type Plugin, type ViteDevServer } from 'vite';
import { paint, print, seconds } from '../../tasks/console.mjs';
import { develop, prepareCrate, type CompileError } from '../../tasks/develop.mjs';
import { root } from '../../tasks/run.mjs';
import { crateFolders, isSource, packageFolder, releaseIsCurrent } from '../../tasks/wasm.mjs';

/** Editors write a file in several steps, and "save all" writes several files. */
const settleMs = 15;

const builds = join(root, 'target', 'edit-loop', 'pkg');
const entry = 'platform_js.js';

/** Serves `platform-js` from the newest successful build, starting with the release bundle. */
export function editLoop(): Plugin {
  // Two folders in turn: a page that is still loading keeps the build it began with. The release bundle is never touched.
  let current = packageFolder;
  let turn = 0;
  let failure: ErrorPayload | undefined;
  /** The module that the page shows, if it is one of ours. */
  let shown: Buffer | undefined;

  async function build(server: ViteDevServer, reload: boolean) {
    const start = Date.now();
    const folder = join(builds, String((turn + 1) % 2));
    const error = await develop(folder);
    if (error) {
      failure = toPayload(error);
      print(`${paint('red', '✗')} ${error.message}\n${error.text}`);
      server.ws.send(failure);
      return;
    }
    const mended = failure !== undefined;
    failure = undefined;
    // The first build mostly warms up the compiler: usually the page shows these very sources already.
    if (!reload && !mended && (await releaseIsCurrent())) {
      print(`${paint('green', '✓')} ready for edits, after a first build of ${seconds(start)}`);
      return;
    }
    // On a busy machine one save may be told twice. The page loads once.
    const module = await readFile(join(folder, 'platform_js_bg.wasm'));
    if (!mended && shown?.equals(module)) return;
    shown = module;
    forget(server, current);
    forget(server, folder);
    turn += 1;
    current = folder;
    server.ws.send({ type: 'full-reload', path: '*' });
    print(`${paint('green', '✓')} rebuilt in ${seconds(start)}`);
  }

  return {
    name: 'rust',
    apply: 'serve',
    enforce: 'pre',

    config: () => ({ server: { watch: { ignored: [`${builds}/**`, `${packageFolder}/**`] } } }),

    resolveId(id) {
      return id === join(packageFolder, entry) ? join(current, entry) : undefined;
    },

    async configureServer(server) {
      prepareCrate();
      const queue = oneAtATime((reload) => build(server, reload));
      const folders = await crateFolders();
      const manifests = ['Cargo.toml', 'Cargo.lock'].map((file) => join(root, file));
      server.watcher.add([...folders, ...manifests]);
      server.watcher.on('all', (event, path) => {
        if (event === 'addDir' || event === 'unlinkDir') return;
        const inside = folders.find((folder) => path.startsWith(folder + sep));
        if (inside ? isSource(relative(inside, path)) : manifests.includes(path)) queue(true);
      });
      // A page that is opened while the source is broken has to say so, too.
      server.ws.on('connection', () => failure && server.ws.send(failure));
      server.httpServer?.once('listening', () => queue(false));
    },
  };
}

/**
 * What Vite knows of the files of a build, and of who imports them, is no longer true: of the build that was shown, as there is
 * a newer one, and of the one before it, as it was overwritten. All else the browser has and keeps.
 */
function forget(server: ViteDevServer, folder: string) {
  const { moduleGraph } = server.environments.client;
  for (const [file, modules] of moduleGraph.fileToModulesMap) {
    if (!file.startsWith(`${normalizePath(folder)}/`)) continue;
    for (const module of modules) {
      // Importers one by one: by itself that reaches them without resolving again what they import.
      for (const stale of [module, ...module.importers]) moduleGraph.invalidateModule(stale);
    }
  }
}

/** Never two builds at once; however many saves during one, there is one more afterwards. */
function oneAtATime(build: (reload: boolean) => Promise<void>) {
  let wanted: { reload: boolean } | undefined;
  let running = false;
  let timer: NodeJS.Timeout | undefined;

  async function start() {
    if (running) return;
    running = true;
    for (let next; (next = wanted); ) {
      wanted = undefined;
      await build(next.reload).catch((error: unknown) => print(String(error)));
    }
    running = false;
  }
  return (reload: boolean) => {
    wanted = { reload: reload || wanted?.reload === true };
    clearTimeout(timer);
    timer = setTimeout(() => void start(), settleMs);
  };
}

function toPayload({ message, text, place }: CompileError): ErrorPayload {
  return {
    type: 'error',
    err: { message, stack: text, plugin: 'rust', ...(place && { id: place.file, loc: place }) },
  };
}
