import type { FromDomain, State, Stats, Status, ToDomain } from 'platform-js';
import { netOf } from './network/address-plan';
import type { Cable, Switchboard } from './network/switchboard';
import { Watchdog } from './watchdog';

/** What a domain says of itself, and the two states that only the page can see. */
export type DomainState = State | 'stuck' | 'destroyed';

/** What went wrong or how it ended, for people. */
export type Report = Pick<Status, 'message' | 'location' | 'stack'>;

/** What a watcher of a domain may want to hear. */
export interface Watcher {
  /** The state, the report or the name changed. */
  state?(): void;
  console?(text: string): void;
  /** The domain answered with fresh figures. */
  stats?(stats: Stats): void;
  /** A new instance takes the old one's place. */
  reset?(): void;
}

/** Where the worker is on its way: it is fetched early, and boots when somebody holds its console. */
type Stage = 'loading' | 'loading, then boot' | 'loaded' | 'booted' | 'gone';

/** Boots of one domain are at least this far apart, so that one that reboots at once does not keep the machine busy. */
const REBOOT_MS = 1000;

/** The name a unikernel gives itself when its arguments do not. */
export const DEFAULT_NAME = 'web-demo';

const ALIVE: ReadonlySet<DomainState> = new Set(['booting', 'running', 'paused', 'stuck']);

/** One unikernel in a worker of its own, as the page sees it: it speaks the protocol and keeps watch, and draws nothing. */
export class Domain {
  /** The unikernel's arguments, in a URL query's spelling. */
  readonly args: string;
  /** What the page adds to them, in the same spelling: an address. */
  given = '';
  /** Where its network is plugged in, if not by itself. */
  switchboard: Switchboard | undefined;
  readonly #watchers = new Set<Watcher>();
  readonly #watchdog = new Watchdog(
    (id) => this.#post({ type: 'ping', id }),
    () => this.#move('stuck'),
  );
  #name: string;
  #state: DomainState = 'booting';
  #report: Report = {};
  #stats: Stats | undefined;
  #worker: Worker | undefined;
  #stage: Stage = 'gone';
  #visible = true;
  #bootedAt = -Infinity;
  #cable: Cable | undefined;
  #unplugged = false;
  #rebootTimer = 0;
  /** The frame after which the domain may write on; 0 while it may. */
  #frame = 0;

  /** Starts to load the worker; `boot` boots it. */
  constructor(args: string) {
    this.args = args;
    // Only for the caption until the domain tells its name itself: what is allowed is for the unikernel to say.
    this.#name = new URLSearchParams(args).get('name') || DEFAULT_NAME;
    this.#load();
  }

  get name(): string {
    return this.#name;
  }
  get state(): DomainState {
    return this.#state;
  }
  get report(): Report {
    return this.#report;
  }
  /** The figures of the last answer. */
  get stats(): Stats | undefined {
    return this.#stats;
  }
  get alive(): boolean {
    return ALIVE.has(this.#state);
  }
  /** The network it is on, as the argument `net` spells it. */
  get net(): string {
    return this.#stats?.networks[0]?.name ?? netOf(this.args);
  }
  /** The IPv4 address that others reach it at, once it has one. */
  get address(): string | undefined {
    const own = this.alive ? this.#stats?.addresses.find((address) => address.includes('.')) : undefined;
    return own?.split('/')[0];
  }

  /** Whether the page holds the other end of its network cable. */
  get pluggable(): boolean {
    return this.alive && this.#cable !== undefined;
  }
  /** Its cable is out, and stays so over a reset. */
  get unplugged(): boolean {
    return this.#unplugged;
  }
  set unplugged(out: boolean) {
    this.#unplugged = out;
    this.#cable?.pull(out);
    this.#watchdog.ask();
    this.#tellWatchers((watcher) => watcher.state?.());
  }

  /** Tells `watcher` from now on; the result ends that. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Boots as soon as the worker is loaded. */
  boot(): void {
    if (this.#stage === 'loading') this.#stage = 'loading, then boot';
    else if (this.#stage === 'loaded') this.#bootNow();
  }

  input(text: string): void {
    this.#tell({ type: 'input', text });
  }
  pause(): void {
    this.#tell({ type: 'pause' });
  }
  resume(): void {
    this.#tell({ type: 'resume' });
  }
  /** Asks the unikernel to end by itself. */
  shutdown(): void {
    this.#tell({ type: 'shutdown', reboot: false });
  }

  /** Ends the instance, whatever it is doing. Its store stays. */
  destroy(): void {
    this.#end();
    this.#move('destroyed');
  }

  /** Puts a new instance with the same arguments in the place of this one. */
  reset(): void {
    this.#end();
    this.#stats = undefined;
    this.#tellWatchers((watcher) => watcher.reset?.());
    this.#move('booting');
    this.#load();
    this.boot();
  }

  /** The watchdog rests while nobody looks. */
  set visible(visible: boolean) {
    this.#visible = visible;
    this.#keepWatch();
    // A hidden page has no frames to wait for.
    if (!visible && this.#frame !== 0) {
      cancelAnimationFrame(this.#frame);
      this.#writeOn();
    }
  }

  #load(): void {
    if (typeof WebAssembly === 'undefined') {
      this.#move('failed', {
        message: 'This browser does not run WebAssembly.'
          + ' Use another one, or allow it: Lockdown Mode on Apple devices turns it off.',
      });
      return;
    }
    const worker = new Worker(new URL('./domain-worker.ts', import.meta.url), { type: 'module', name: this.#name });
    this.#worker = worker;
    this.#stage = 'loading';
    // What a terminated worker had still sent must not reach its successor.
    worker.onmessage = ({ data }: MessageEvent<FromDomain>) => {
      if (worker === this.#worker) this.#receive(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      if (worker === this.#worker) this.#fell(event);
    };
  }

  #bootNow(): void {
    this.#stage = 'booted';
    this.#bootedAt = performance.now();
    const args = [this.args, this.given].filter(Boolean).join('&');
    this.#cable = this.switchboard?.plug(netOf(this.args));
    if (this.#cable === undefined) {
      this.#tell({ type: 'boot', args });
    } else {
      if (this.#unplugged) this.#cable.pull(true);
      this.#tell({ type: 'boot', args, cable: this.#cable.end }, [this.#cable.end]);
    }
    this.#keepWatch();
  }

  #receive(message: FromDomain): void {
    switch (message.type) {
      case 'ready':
        if (this.#stage === 'loading, then boot') this.#bootNow();
        else this.#stage = 'loaded';
        return;
      case 'console':
        this.#tellWatchers((watcher) => watcher.console?.(message.text));
        this.#drained();
        return;
      case 'status':
        // One that refused its arguments had no chance to take the name that they give it.
        if (message.status.state !== 'failed') this.#nameIs(message.status.name);
        this.#move(message.status.state, message.status);
        if (message.status.state === 'rebooting') this.#rebootSoon();
        return;
      case 'pong':
        this.#watchdog.answered(message.id);
        if (message.stats !== undefined) this.#show(message.stats);
        return;
      default:
        message satisfies never;
    }
  }

  #show(stats: Stats): void {
    if (stats.state !== 'failed') this.#nameIs(stats.name);
    this.#stats = stats;
    if (this.#state === 'stuck') this.#move(stats.state);
    this.#tellWatchers((watcher) => watcher.stats?.(stats));
  }

  /** Lets the domain write on: once a frame while somebody looks, so that a flood does not keep the page busy. */
  #drained(): void {
    if (this.#visible) this.#frame = requestAnimationFrame(() => this.#writeOn());
    else this.#writeOn();
  }

  #writeOn(): void {
    this.#frame = 0;
    this.#post({ type: 'drained' });
  }

  /** The worker threw: it could not be loaded, or the instance is beyond repair. */
  #fell(event: ErrorEvent): void {
    const message = event.message || undefined;
    if (this.#stage === 'loading' || this.#stage === 'loading, then boot') {
      this.#end();
      this.#move('failed', {
        message: `The unikernel could not be loaded${message ? `: ${message}` : ''}.`
          + ' Check that its files are all there and served, then reset.',
      });
    } else if (this.alive) {
      // After a panic the trap arrives here as well, and the panic's own report is the better one.
      this.#move('crashed', {
        message: message ?? 'The worker ended without a message.',
        ...(event.filename && { location: `${event.filename}:${event.lineno}:${event.colno}` }),
      });
    }
  }

  #rebootSoon(): void {
    const wait = Math.max(0, this.#bootedAt + REBOOT_MS - performance.now());
    this.#rebootTimer = setTimeout(() => this.reset(), wait);
  }

  #end(): void {
    clearTimeout(this.#rebootTimer);
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#watchdog.stop();
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#takeCableAway();
    this.#stage = 'gone';
  }

  /** Who was terminated, or has crashed, cannot hang up any more. */
  #takeCableAway(): void {
    this.#cable?.remove();
    this.#cable = undefined;
  }

  #nameIs(name: string): void {
    if (name === '' || name === this.#name) return;
    this.#name = name;
    this.#tellWatchers((watcher) => watcher.state?.());
  }

  #move(state: DomainState, report: Report = {}): void {
    this.#state = state;
    this.#report = report;
    if (!this.alive) this.#watchdog.stop();
    if (state === 'crashed') this.#takeCableAway();
    this.#keepWatch();
    this.#tellWatchers((watcher) => watcher.state?.());
  }

  #keepWatch(): void {
    const busy = this.#state === 'booting' || this.#state === 'running' || this.#state === 'stuck';
    if (this.#stage === 'booted' && this.alive) this.#watchdog.beat(busy && this.#visible);
  }

  /** Sends, and asks whether it was taken. */
  #tell(message: ToDomain, transfer: Transferable[] = []): void {
    if (this.#stage !== 'booted') return;
    this.#post(message, transfer);
    this.#watchdog.ask();
  }

  #post(message: ToDomain, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(message, transfer);
  }

  #tellWatchers(tell: (watcher: Watcher) => void): void {
    for (const watcher of [...this.#watchers]) tell(watcher);
  }
}
