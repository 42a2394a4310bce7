// Running other programs.
import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TaskError } from './console.mjs';

/** The project's folder. */
export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[/\\]$/, '');

const windows = process.platform === 'win32';

/**
 * @typedef {object} RunOptions
 * @property {string} [cwd] the project's folder unless told otherwise
 * @property {NodeJS.ProcessEnv} [env]
 * @property {(line: string) => void} [report] gets each line as it comes, from either stream
 */

/** @typedef {{ code: number, stdout: string, output: string }} Result `output` is both streams, in order of arrival */

/**
 * Runs a program to its end, whatever its exit code.
 * @param {string} program @param {string[]} args @param {RunOptions} [options] @returns {Promise<Result>}
 */
export function attempt(program, args, { cwd = root, env = process.env, report } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
        output += text;
        if (stream === child.stdout) stdout += text;
        const lines = (rest + text).split(/[\r\n]+/);
        rest = lines.pop() ?? '';
        for (const line of lines) if (line.trim()) report?.(line);
      });
    }
    child.on('error', (error) => reject(new TaskError(`${program} could not be started: ${error.message}`)));
    child.on('close', (code) => resolve({ code: code ?? 1, stdout, output }));
  });
}

/**
 * Runs a program that has to succeed.
 * @param {string} program @param {string[]} args @param {RunOptions} [options]
 */
export async function run(program, args, options) {
  const result = await attempt(program, args, options);
  if (result.code !== 0) {
    throw new TaskError(`${result.output.trimEnd()}\n\`${program} ${args.join(' ')}\` failed (exit code ${result.code}).`);
  }
  return result;
}

/** Whether this is a file that can be run. @param {string} path */
function runnable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * Where a program is, or undefined.
 * @param {string} program @param {string | undefined} [path] folders to look in, as PATH writes them
 */
export function which(program, path = process.env.PATH) {
  const file = windows ? `${program}.exe` : program;
  return (path ?? '')
    .split(delimiter)
    .filter(Boolean)
    .map((folder) => join(folder, file))
    .find(runnable);
}
