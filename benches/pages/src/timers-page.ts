import { timers } from './timers';
import { show } from './realm';

void show(timers, () => new Worker(new URL('./timers-worker.ts', import.meta.url), { type: 'module' }));
