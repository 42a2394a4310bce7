import { lanNumber } from './address-plan';
import type { Faults, FromSwitch, ToSwitch } from './switch-protocol';

/** One cable of the page's switch. */
export interface Cable {
  /** The other end, for a domain: to be transferred once. */
  readonly end: MessagePort;
  /** Pulls it out, or plugs it in again. */
  pull(out: boolean): void;
  /** Takes it away, when the domain has gone without a word. */
  remove(): void;
}

export const NO_FAULTS: Faults = { loss: 0, delayMs: 0, rateMbps: 0 };

/** The page's switches, one for each LAN, in a worker of their own: a page that is busy does not slow them. */
export class Switchboard {
  readonly #faults = new Map<string, Faults>();
  #worker: Worker | undefined;
  /** What is to be said before the worker can hear it. */
  #waiting: Array<[message: ToSwitch, transfer: Transferable[]]> | undefined;
  #next = 1;
  #trouble: (why: string) => void = (why) => console.error(why);

  /** Tells when the switches have failed, which only a reload mends. */
  set trouble(tell: (why: string) => void) {
    this.#trouble = tell;
  }

  /** A cable to a LAN of this browser; nothing for a relay, which a domain dials itself. */
  plug(net: string): Cable | undefined {
    if (lanNumber(net) === undefined) return undefined;
    const { port1, port2 } = new MessageChannel();
    const cable = this.#next++;
    this.#say({ type: 'plug', net, cable, port: port1 }, [port1]);
    return {
      end: port2,
      pull: (out) => this.#say({ type: 'pull', net, cable, out }),
      remove: () => this.#say({ type: 'remove', net, cable }),
    };
  }

  /** What happens to the frames of a LAN. */
  faultsOf(net: string): Faults {
    return this.#faults.get(net) ?? NO_FAULTS;
  }

  disturb(net: string, faults: Faults): void {
    this.#faults.set(net, faults);
    this.#say({ type: 'faults', net, faults });
  }

  /** Copies of all frames of a LAN come to the result, until it is closed by `unwatch`. One at a time looks. */
  watch(net: string): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#say({ type: 'mirror', net, port: port1 }, [port1]);
    return port2;
  }

  unwatch(net: string): void {
    this.#say({ type: 'mirror', net });
  }

  #say(message: ToSwitch, transfer: Transferable[] = []): void {
    this.#worker ??= this.#start();
    if (this.#waiting) this.#waiting.push([message, transfer]);
    else this.#worker.postMessage(message, transfer);
  }

  #start(): Worker {
    const worker = new Worker(new URL('../switch-worker.ts', import.meta.url), { type: 'module', name: 'switch' });
    this.#waiting = [];
    worker.onmessage = ({ data }: MessageEvent<FromSwitch>) => {
      if (data.type === 'ready') {
        const waiting = this.#waiting ?? [];
        this.#waiting = undefined;
        for (const [message, transfer] of waiting) worker.postMessage(message, transfer);
      } else {
        this.#trouble(data.why);
      }
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#trouble(event.message || 'it could not be loaded');
    };
    return worker;
  }
}
