// The quick rebuild while somebody edits.
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { attempt, root } from './run.mjs';

/**
 * @typedef {object} CompileError the first error, and all that the compiler said
 * @property {string} message
 * @property {string} text
 * @property {{ file: string, line: number, column: number }} [place]
 */

const folder = join(root, 'target', 'edit-loop');
const manifest = join(folder, 'Cargo.toml');

/**
 * Links the demo outside platform-js, as any other application is linked: so that a change of the demo recompiles the demo and
 * three lines, and not platform-js (0.4 s). Debug information would only go to wasm-bindgen, which drops it (0.2 s); and the
 * first level of optimisation costs less time than loading a module of twice the size (0.2 s).
 */
const crate = {
  'Cargo.toml': `[workspace]

[package]
name = "edit-loop"
edition = "2024"

[lib]
path = "lib.rs"
crate-type = ["cdylib"]

[dependencies]
platform-js = { package = "platform-js-library", path = "../../platform-js/library" }
web-demo = { path = "../../web-demo" }

[profile.dev]
debug = false
opt-level = 1
panic = "abort"
`,
  // As platform-js/bundle.rs has it.
  'lib.rs': 'platform_js::unikernel!("web-demo", web_demo::start, web_demo::ARGS);\n',
};

/** Has to be called once before `develop`. */
export function prepareCrate() {
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of Object.entries(crate)) writeFileSync(join(folder, file), text);
  copyFileSync(join(root, 'Cargo.lock'), join(folder, 'Cargo.lock'));
}

/**
 * Builds the page's module into a folder of its own. Returns what is wrong with the source, if anything is.
 * @param {string} output @returns {Promise<CompileError | undefined>}
 */
export async function develop(output) {
  const built = await attempt('cargo', [
    ...['build', '--manifest-path', manifest, '--target', 'wasm32-unknown-unknown', '--message-format', 'json'],
    ...['--target-dir', process.env.CARGO_TARGET_DIR || join(root, 'target')],
    // Messages and panics name files as they do in every other build.
    ...['--config', `target.wasm32-unknown-unknown.rustflags = [${JSON.stringify(`--remap-path-prefix=${root}${sep}=`)}]`],
  ]);
  const messages = built.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
  if (built.code !== 0) return compileError(messages, built);
  const module = messages.findLast((message) => message.reason === 'compiler-artifact' && message.target.name === 'edit_loop');
  await rm(output, { recursive: true, force: true });
  await mkdir(output, { recursive: true });
  const options = ['--out-dir', output, '--out-name', 'platform_js', '--target', 'bundler', '--no-typescript'];
  const bound = await attempt('wasm-bindgen', [...module.filenames, ...options]);
  if (bound.code !== 0) return { message: 'wasm-bindgen failed', text: bound.output };
  return undefined;
}

/** @param {any[]} messages @param {{ stdout: string, output: string }} built @returns {CompileError} */
function compileError(messages, { output }) {
  const errors = messages
    .filter((message) => message.reason === 'compiler-message' && message.message.level === 'error')
    .map((message) => message.message);
  const span = errors[0]?.spans.find((/** @type {any} */ span) => span.is_primary);
  if (!span) {
    const text = output
      .split('\n')
      .filter((line) => !line.startsWith('{'))
      .join('\n');
    return { message: /^error: (.*)/m.exec(text)?.[1] ?? 'cargo failed', text };
  }
  const text = errors.map((error) => error.rendered).join('\n');
  return {
    message: errors[0].message,
    // An absolute path: the page's overlay makes it a link that opens the editor.
    text: text.replace(/^(\s*(?:-->|:::) )(?=[^/\s])(?![A-Za-z]:\\)/gm, `$1${root}${sep}`),
    place: { file: join(root, span.file_name), line: span.line_start, column: span.column_start },
  };
}
