// What stands in the place of platform-js: the same two ways to boot, with nothing behind them but one line.
import { greeting } from 'bench-empty';
import type { BootOptions, FromDomain, ToDomain } from 'platform-js';

export function serve(): void {
  const tell = (message: FromDomain) => postMessage(message);
  addEventListener('message', ({ data }: MessageEvent<ToDomain>) => {
    if (data.type === 'boot') tell({ type: 'console', text: greeting() });
  });
  tell({ type: 'ready' });
}

export function boot({ console }: BootOptions): void {
  const line = document.createElement('div');
  line.className = 'mirage-line';
  line.textContent = greeting();
  console.append(line);
}
