// Checks the relative links in the project's Markdown files: the file is there, and so is the heading.
import { existsSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';

const notOurs = new Set(['node_modules', 'target', 'pkg', 'dist']);

/** @param {string} folder @returns {Promise<string[]>} */
async function markdownFiles(folder) {
  const entries = await readdir(folder, { withFileTypes: true });
  const found = entries.map((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return notOurs.has(entry.name) || entry.name.startsWith('.') ? [] : markdownFiles(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });
  return (await Promise.all(found)).flat();
}

/** @param {string} text */
const blank = (text) => text.replace(/[^\n]/g, ' ');

/** What is written in a code block is neither link nor heading. @param {string} text */
const withoutBlocks = (text) => text.replace(/^(```|~~~)[\s\S]*?^\1/gm, blank);

/** Nor is what is between backticks a link; a link's text may be in backticks, though. @param {string} text */
const withoutCode = (text) => withoutBlocks(text).replace(/`[^`\n]*[[\]][^`\n]*`/g, blank);

/** Headings as the code hosts turn them into anchors. @param {string} text */
function anchors(text) {
  const seen = new Map();
  const titles = [...withoutBlocks(text).matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)].map((match) => match[1]);
  return new Set(
    titles.map((title) => {
      const plain = title.replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
      const anchor = plain.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-');
      const count = seen.get(anchor) ?? 0;
      seen.set(anchor, count + 1);
      return count === 0 ? anchor : `${anchor}-${count}`;
    }),
  );
}

/** Every target of a link or image, with its line. @param {string} text @returns {Generator<{ target: string, line: number }>} */
function* targets(text) {
  const source = withoutCode(text);
  const inline = /\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g;
  const reference = /^\[[^\]]+\]:\s*<?([^\s>]+)>?/gm;
  const html = /<(?:a|img)\b[^>]*?(?:href|src)="([^"]+)"/g;
  for (const pattern of [inline, reference, html]) {
    for (const match of source.matchAll(pattern)) {
      yield { target: match[1], line: source.slice(0, match.index).split('\n').length };
    }
  }
}

/**
 * @param {string} folder
 * @returns {Promise<{ checked: number, broken: string[] }>} one sentence for each link that leads nowhere
 */
export async function brokenLinks(folder) {
  let checked = 0;
  /** @type {string[]} */
  const broken = [];
  for (const file of await markdownFiles(folder)) {
    const text = await readFile(file, 'utf8');
    for (const { target, line } of targets(text)) {
      if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(target)) continue;
      checked += 1;
      const [path, anchor] = target.split('#').map(decodeURIComponent);
      const place = path === '' ? file : resolve(path.startsWith('/') ? folder : dirname(file), path.replace(/^\//, ''));
      const complain = (/** @type {string} */ why) => broken.push(`${relative(folder, file)}:${line}: link to "${target}": ${why}`);
      if (!existsSync(place)) complain(`there is no ${relative(folder, place)}`);
      else if (anchor && statSync(place).isFile() && place.endsWith('.md')) {
        if (!anchors(await readFile(place, 'utf8')).has(anchor)) complain(`no heading there has the anchor #${anchor}`);
      }
    }
  }
  return { checked, broken };
}
