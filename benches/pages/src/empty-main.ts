// What stands in the place of the demo page's script: boots one worker, and shows its line.
import type { FromDomain, ToDomain } from 'platform-js';

const worker = new Worker(new URL('../../../www/src/domain-worker.ts', import.meta.url), { type: 'module' });
worker.addEventListener('message', ({ data }: MessageEvent<FromDomain>) => {
  if (data.type === 'ready') worker.postMessage({ type: 'boot', args: '' } satisfies ToDomain);
  if (data.type === 'console') {
    const line = document.createElement('div');
    line.className = 'mirage-line';
    line.textContent = data.text;
    document.querySelector('main')?.append(line);
  }
});
