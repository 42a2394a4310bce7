// Turns of the event loop and sleeps of a millisecond: through platform-js, and by the browser's own means.
import { Unikernel } from 'bench-unikernel';
import { note, type Series, shuffled, time } from './rounds';

interface Contestant {
  name: string;
  /** Takes turns, one after the other. */
  turns?: (count: number) => Promise<unknown>;
  /** How many turns are enough to tell what one costs. */
  enough?: number;
  /** How late each of so many sleeps of 1 ms ended, in milliseconds. */
  lateness?: (count: number) => Promise<Iterable<number>>;
}

/** A function that waits for one turn, made from one that calls back after it. */
const repeated = (wait: (then: () => void) => void) => async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise<void>(wait);
};

function contestants(): Contestant[] {
  const unikernel = new Unikernel('bench-timers');
  const channel = new MessageChannel();
  const message = repeated((then) => {
    channel.port1.onmessage = then;
    channel.port2.postMessage(null);
  });
  const lateTimeouts = async (count: number) => {
    const late: number[] = [];
    for (let sleep = 0; sleep < count; sleep++) late.push((await time(() => new Promise((then) => setTimeout(then, 1)))) - 1);
    return late;
  };
  return [
    { name: 'ours', turns: (count) => unikernel.turns(count), lateness: (count) => unikernel.lateness(count, 1) },
    { name: 'MessageChannel', turns: message },
    { name: 'setTimeout', turns: repeated((then) => setTimeout(then, 0)), enough: 50, lateness: lateTimeouts },
  ];
}

/** Microseconds a turn, round by round; and milliseconds late, one for each sleep, round by round. */
export interface TimerResult {
  turns: Series;
  lateness: Record<string, number[][]>;
}

export async function timers(query: URLSearchParams): Promise<TimerResult> {
  const rounds = Number(query.get('rounds') ?? 9);
  const [turns, sleeps] = [Number(query.get('turns') ?? 500), Number(query.get('sleeps') ?? 100)];
  const all = contestants();
  const result: TimerResult = { turns: {}, lateness: {} };
  // Nobody's first time counts.
  for (const { turns, lateness } of all) {
    await turns?.(100);
    await lateness?.(10);
  }
  for (let round = 0; round < rounds; round++) {
    for (const { name, turns: take, enough = turns, lateness } of shuffled(all)) {
      if (take) note(result.turns, 'turn', name, ((await time(() => take(enough))) * 1000) / enough);
      if (lateness) (result.lateness[name] ??= []).push([...(await lateness(sleeps))]);
    }
  }
  return result;
}
