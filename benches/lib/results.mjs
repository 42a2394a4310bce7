// RESULTS.md: a section for each bench, so that one can be measured again without the others.
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { markdown } from './table.mjs';

/**
 * @typedef {object} Result
 * @property {Record<string, import('./table.mjs').Row[]>} tables by their titles
 * @property {string[]} [notes] sentences that the figures need
 */

const file = fileURLToPath(new URL('../RESULTS.md', import.meta.url));

const head = `# Results

Written by \`npm run bench\`, so that a change of the figures shows in review; [README.md](README.md) says what each bench does.
Figures are medians. Those of one row were taken in turn, in one run on one machine: \`ratio\` is ours by the peer's, the median of all
rounds, and \`spread\` their middle half, or that of the figures themselves where there is no peer. No test asserts any of them.
`;

/** @param {string} name @param {string} about @param {string} where @param {Result} result */
export function section(name, about, where, { tables, notes = [] }) {
  const shown = Object.entries(tables).flatMap(([title, rows]) => [`### ${name}: ${title}`, markdown(rows)]);
  const list = [...notes, where].map((note) => `- ${note}`).join('\n');
  return `${[`## ${name}`, about, ...shown, list].join('\n\n')}\n`;
}

/** Puts sections in the place of those of the same name. @param {Map<string, string>} fresh @param {string[]} order */
export async function save(fresh, order) {
  const old = existsSync(file) ? await readFile(file, 'utf8') : '';
  const sections = new Map(
    old
      .split(/^(?=## )/m)
      .slice(1)
      .map((text) => [/^## (.*)/.exec(text)?.[1] ?? '', `${text.trimEnd()}\n`]),
  );
  for (const [name, text] of fresh) sections.set(name, text);
  const kept = order.map((name) => sections.get(name)).filter((text) => text !== undefined);
  await writeFile(file, [head, ...kept].join('\n'));
}
