import { net } from './net';
import { show } from './realm';

// In the window only: it has workers of its own.
void show(net, () => {
  throw new Error('not in a worker');
});
