import { kv } from './kv';
import { show } from './realm';

void show(kv, () => new Worker(new URL('./kv-worker.ts', import.meta.url), { type: 'module' }));
