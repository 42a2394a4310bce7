import { Host } from 'platform-js';
import { type AddressPlan, lanNumber } from './address-plan';
import type { Switchboard } from './switchboard';

/** The page's own stacks: one on each network on which something was to be reached, joined when it first was. */
export class Hosts {
  readonly #plan: AddressPlan;
  readonly #switchboard: Switchboard;
  readonly #joined = new Map<string, Promise<Host>>();

  constructor(plan: AddressPlan, switchboard: Switchboard) {
    this.#plan = plan;
    this.#switchboard = switchboard;
  }

  /** The page's host on `net`, as a unikernel's argument spells it. */
  on(net: string): Promise<Host> {
    let host = this.#joined.get(net);
    if (host === undefined) {
      const args = new URLSearchParams({ net });
      if (lanNumber(net) !== undefined) args.set('ipv4', this.#plan.page);
      const log = (text: string) => console.debug(`${net}: ${text}`);
      const cable = this.#switchboard.plug(net);
      host = Host.join(args.toString(), log, cable?.end);
      this.#joined.set(net, host);
      // The next who asks tries again.
      host.catch(() => {
        cable?.remove();
        this.#joined.delete(net);
      });
    }
    return host;
  }

  /** The page's address on `net`, without its prefix; nothing before it has joined. */
  addressOn(net: string): string | undefined {
    return this.#joined.has(net) && lanNumber(net) !== undefined ? this.#plan.page.split('/')[0] : undefined;
  }
}
