// Sets and gets, of all stores in turn.
import { note, type Series, shuffled, time } from './rounds';
import { type Contestant, contestants } from './stores';

export interface KvResult {
  /** Operations a second, round by round. */
  perSecond: Series;
  /** What each contestant's writing transactions were seen to ask for. */
  durability: Record<string, string[]>;
}

export async function kv(query: URLSearchParams): Promise<KvResult> {
  const number = (name: string, otherwise: number) => Number(query.get(name) ?? otherwise);
  const [rounds, size, count, writers] = [number('rounds', 40), number('size', 100), number('count', 10), number('writers', 100)];
  const value = crypto.getRandomValues(new Uint8Array(size));
  const all = await contestants();
  const result: KvResult = { perSecond: {}, durability: {} };
  for (const contestant of all) result.durability[contestant.name] = await warmUp(contestant, value);

  // Above all keys of the warming up. The databases are new, so no key was there before.
  let from = 1000;
  for (let round = 0; round < rounds; round++, from += count + writers) {
    const operations: [string, number, (contestant: Contestant) => Promise<unknown>][] = [
      ['set', count, (contestant) => contestant.setEach(from, count, value)],
      ['overwrite', count, (contestant) => contestant.overwrite(from, count, value)],
      ['at once', writers, (contestant) => contestant.setAll(from + count, writers, value)],
      ['get', 2 * count, (contestant) => contestant.getEach(from, 2 * count)],
    ];
    for (const [what, times, work] of operations) {
      // In short pieces, one right after the other: whatever else the machine has to do, it has to do for all.
      for (const contestant of shuffled(all)) {
        note(result.perSecond, what, contestant.name, (times * 1000) / (await time(() => work(contestant))));
      }
    }
    for (const contestant of all) {
      const last = await contestant.getEach(from + count + writers - 1, 1);
      if (last !== size) throw new Error(`${contestant.name} kept ${last} of ${size} bytes`);
    }
  }
  return result;
}

/** Nobody's first time counts; meanwhile watches which durability is asked for. */
async function warmUp(contestant: Contestant, value: Uint8Array): Promise<string[]> {
  const seen = new Set<string>();
  const original = IDBDatabase.prototype.transaction;
  IDBDatabase.prototype.transaction = function (...args) {
    const transaction = original.apply(this, args);
    if (transaction.mode === 'readwrite') seen.add(transaction.durability);
    return transaction;
  };
  try {
    await contestant.setEach(0, 10, value);
    await contestant.overwrite(0, 10, value);
    await contestant.setAll(100, 10, value);
    await contestant.getEach(0, 50);
  } finally {
    IDBDatabase.prototype.transaction = original;
  }
  return [...seen];
}
