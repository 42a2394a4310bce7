import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { brokenLinks } from './links.mjs';

test('links to files and headings are followed, code and addresses are not', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'links-'));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, 'guide'));
  await mkdir(join(folder, 'node_modules'));
  await writeFile(join(folder, 'node_modules', 'other.md'), '[broken](nowhere.md)');
  await writeFile(join(folder, 'guide', 'kv.md'), '# Key & value: `set`\n\n## Twice\n\n## Twice\n\n```\n# no heading\n```\n');
  await writeFile(
    join(folder, 'README.md'),
    [
      '[guide](guide) [file](guide/kv.md) [up](/guide/kv.md) [`code`](guide/kv.md#key--value-set) [second](guide/kv.md#twice-1)',
      '[out](https://example.org/nowhere) [mail](mailto:somebody@example.org) `[code](nowhere.md)`',
      '```',
      '[block](nowhere.md)',
      '```',
      '[file](guide/ring.md)',
      '[heading](guide/kv.md#no-heading)',
      '![image](shot.png) [here][label]',
      '',
      '[label]: lost.md',
    ].join('\n'),
  );

  const { checked, broken } = await brokenLinks(folder);

  assert.deepEqual(broken, [
    'README.md:6: link to "guide/ring.md": there is no guide/ring.md',
    'README.md:7: link to "guide/kv.md#no-heading": no heading there has the anchor #no-heading',
    'README.md:8: link to "shot.png": there is no shot.png',
    'README.md:10: link to "lost.md": there is no lost.md',
  ]);
  assert.equal(checked, 9);
});
