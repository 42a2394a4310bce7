// Two workers and the page on one network: bytes by TCP between unikernels, and the same frames by hand.
import { Host } from 'bench-unikernel';
import type { Call } from './net-worker';
import { ringBytes } from './net-cables';
import { note, type Series, time } from './rounds';

export interface NetResult {
  /** What, by whom, round by round: Mbit/s, milliseconds, requests a second. */
  figures: Series;
}

/** A worker that does one thing at a time. */
class Station {
  readonly #worker = new Worker(new URL('./net-worker.ts', import.meta.url), { type: 'module' });
  #answer: ((outcome: { value: unknown } | { error: string }) => void) | undefined;

  static async start(): Promise<Station> {
    const station = new Station();
    await new Promise<void>((resolve, reject) => {
      station.#worker.onmessage = () => resolve();
      station.#worker.onerror = (event) => reject(new Error(event.message));
    });
    station.#worker.onmessage = ({ data }) => station.#answer?.(data);
    return station;
  }

  async call<T = void>(...call: Call): Promise<T> {
    const transfer = call.flat().filter((part): part is MessagePort => part instanceof MessagePort);
    const outcome = await new Promise<{ value: unknown } | { error: string }>((resolve) => {
      this.#answer = resolve;
      this.#worker.postMessage(call, transfer);
    });
    if ('error' in outcome) throw new Error(`${call[0]}: ${outcome.error}`);
    return outcome.value as T;
  }
}

/** Ends of cables that lead to a switch in a worker of its own, for two unikernels and the page. */
async function switched(rings: boolean): Promise<MessagePort[]> {
  if (rings && !crossOriginIsolated) throw new Error('rings need a page that is cross-origin isolated');
  const channels = Array.from({ length: 3 }, () => new MessageChannel());
  const station = await Station.start();
  await station.call('switch', 'lan:11', rings, channels.map(({ port1 }) => port1));
  return channels.map(({ port2 }) => port2);
}

const frameBytes = 1514;
const receiver = '10.0.0.2';

export async function net(query: URLSearchParams): Promise<NetResult> {
  const cable = query.get('net') ?? 'lan:0';
  const rounds = Number(query.get('rounds') ?? 9);
  const megabytes = Number(query.get('megabytes') ?? 20);
  const [left, right] = [await Station.start(), await Station.start()];
  const within = cable === 'port' || cable === 'ring';
  const args = (address: string) => `net=${encodeURIComponent(within ? 'lan:11' : cable)}&ipv4=${address}/24`;
  const ends = within ? await switched(cable === 'ring') : [];
  await left.call('boot', args('10.0.0.1'), ends[0]);
  await right.call('boot', args(receiver), ends[1]);
  await right.call('listen');
  // By hand, on a network of their own, which no unikernel listens to.
  const beside = cable.startsWith('lan:') ? `lan:${Number(cable.slice(4)) + 1}` : `${cable}-beside`;
  if (within) {
    const { port1, port2 } = new MessageChannel();
    const rings = cable === 'ring' ? [new SharedArrayBuffer(ringBytes), new SharedArrayBuffer(ringBytes)] : [];
    await left.call('plug', beside, 1, port1, rings);
    await right.call('plug', beside, 2, port2, rings.toReversed());
  } else {
    await left.call('plug', beside, 1);
    await right.call('plug', beside, 2);
  }

  const figures: Series = {};
  const megabits = (bytes: number, ms: number) => (bytes * 8) / ms / 1000;
  const bytes = megabytes * 1_000_000;
  const frames = Math.ceil(bytes / frameBytes);
  const requests = 200;
  const between = {
    async tcp() {
      note(figures, 'bulk', 'ours', megabits(bytes, await time(() => left.call('send', receiver, bytes))));
    },
    async frames() {
      note(figures, 'bulk', 'frames by hand', megabits(frames * frameBytes, await time(() => left.call('pour', frames))));
    },
    async within() {
      note(figures, 'within', 'ours', megabits(bytes, await time(() => left.call('within', bytes))));
    },
    async ping() {
      note(figures, 'round trip', 'ours', await left.call<number>('ping', receiver));
      note(figures, 'round trip', 'frames by hand', (await time(() => left.call('bounce', 50))) / 50);
    },
  };
  await repeat(figures, rounds, Object.values(between));
  // A third station hears every frame of such a network, and slows it down: it comes last.
  const host = await Host.join(args('10.0.0.3'), undefined, ends[2]);
  const fromThePage = {
    async web() {
      const fetchOne = async () => (await host.fetch(`http://${receiver}/`, undefined)).arrayBuffer();
      const oneByOne = await time(async () => {
        for (let request = 0; request < requests; request++) await fetchOne();
      });
      note(figures, 'requests', 'one by one', (requests * 1000) / oneByOne);
      const together = await time(() => Promise.all(Array.from({ length: 8 }, async () => {
        for (let request = 0; request < requests / 8; request++) await fetchOne();
      })));
      note(figures, 'requests', 'eight at once', (requests * 1000) / together);
    },
  };
  await repeat(figures, rounds, Object.values(fromThePage));
  return { figures };
}

async function repeat(figures: Series, rounds: number, all: (() => Promise<void>)[]): Promise<void> {
  const before = structuredClone(figures);
  for (const run of all) await run();
  // Nobody's first time counts.
  for (const what of Object.keys(figures)) delete figures[what];
  Object.assign(figures, before);
  for (let round = 0; round < rounds; round++) for (const run of all) await run();
}
