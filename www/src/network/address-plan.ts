/** Where a number of this tab is kept, so that a reload finds its addresses again. */
const KEY = 'mirage-tab';
/** Numbers of tabs: 10.0.0 to 10.0.255. */
const TABS = 256;
/** A tab that reloads may have to wait until its old page has let go of its number. */
const PATIENCE_MS = 200;
const PAGE = 1;
const FIRST_DOMAIN = 2;
/** 255 is left out: 10.0.255.255 is everybody. */
const LAST_DOMAIN = 254;

/** The network that a unikernel joins unless it is told another one. */
export const DEFAULT_NET = 'lan:0';

/** What `args` say that the network is. */
export function netOf(args: string): string {
  return new URLSearchParams(args).get('net') ?? DEFAULT_NET;
}

/** The number of a LAN in this browser; nothing for a relay. */
export function lanNumber(net: string): number | undefined {
  const [, digits] = /^lan:(\d+)$/.exec(net) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/**
 * Hands out addresses on the LANs of this browser, which have no DHCP server: 10.0.T.N/16, where T is this tab's and N is used
 * once in a page's life. Nobody has to wait for an address, and any tab reaches any other.
 */
export class AddressPlan {
  readonly #tab: number;
  #next = FIRST_DOMAIN;

  private constructor(tab: number) {
    this.#tab = tab;
  }

  /** Finds a number that no other tab has: a duplicated tab has a copy of what is stored, so a lock decides. */
  static async claim(): Promise<AddressPlan> {
    const kept = stored();
    if (kept !== undefined && (await hold(kept, PATIENCE_MS))) return new AddressPlan(kept);
    let tab = random();
    for (let tries = 0; tries < TABS && !(await hold(tab, 0)); tries++) tab = (tab + 1) % TABS;
    try {
      sessionStorage.setItem(KEY, String(tab));
    } catch {
      // Storage may be forbidden; then a reload has other addresses.
    }
    return new AddressPlan(tab);
  }

  /** The page's own address, with the length of the prefix. */
  get page(): string {
    return `10.0.${this.#tab}.${PAGE}/16`;
  }

  /** What to tell a domain beside `args`: an address, where it has none and nobody else would give it one. */
  argumentsFor(args: string): string {
    if (new URLSearchParams(args).has('ipv4') || lanNumber(netOf(args)) === undefined) return '';
    return this.#next > LAST_DOMAIN ? '' : `ipv4=10.0.${this.#tab}.${this.#next++}/16`;
  }
}

function stored(): number | undefined {
  try {
    const text = sessionStorage.getItem(KEY);
    const tab = Number(text);
    return text !== null && Number.isInteger(tab) && tab >= 0 && tab < TABS ? tab : undefined;
  } catch {
    return undefined;
  }
}

function random(): number {
  const [byte = 0] = crypto.getRandomValues(new Uint8Array(1));
  return byte;
}

/** Takes a number for as long as this page lives; false if another tab has it. */
function hold(tab: number, patienceMs: number): Promise<boolean> {
  // An insecure origin has no locks: 256 numbers at random have to do.
  if (!('locks' in navigator)) return Promise.resolve(true);
  const waiting: LockOptions = patienceMs > 0 ? { signal: AbortSignal.timeout(patienceMs) } : { ifAvailable: true };
  return new Promise((resolve) => {
    const held = navigator.locks.request(`${KEY}-${tab}`, waiting, (lock) => {
      resolve(lock !== null);
      return lock && new Promise<never>(() => {});
    });
    held.catch(() => resolve(false));
  });
}
