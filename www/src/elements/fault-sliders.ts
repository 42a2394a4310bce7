import { part } from '../dom';
import type { Faults } from '../network/switch-protocol';
import type { Switchboard } from '../network/switchboard';

/** What the slider for the rate goes through, in Mbit/s: 0 is no bound. */
const RATES = [0, 100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1];

/** Sliders for what happens to the frames of a LAN; each LAN keeps its own. */
export class FaultSliders {
  readonly #root: HTMLElement;
  readonly #switchboard: Switchboard;
  readonly #changed: () => void;
  #net = '';

  constructor(root: HTMLElement, switchboard: Switchboard, changed: () => void) {
    this.#root = root;
    this.#switchboard = switchboard;
    this.#changed = changed;
    root.addEventListener('input', () => this.#moved());
    part(root, 'no-faults', HTMLButtonElement).addEventListener('click', () => {
      for (const name of ['loss', 'delay', 'rate']) this.#slider(name).value = '0';
      this.#moved();
    });
  }

  show(net: string): void {
    this.#net = net;
    const { loss, delayMs, rateMbps } = this.#switchboard.faultsOf(net);
    this.#slider('loss').value = String(Math.round(loss * 100));
    this.#slider('delay').value = String(delayMs);
    this.#slider('rate').max = String(RATES.length - 1);
    this.#slider('rate').value = String(Math.max(0, RATES.indexOf(rateMbps)));
    this.#say();
  }

  #slider(name: string): HTMLInputElement {
    return part(this.#root, name, HTMLInputElement);
  }

  #moved(): void {
    const loss = this.#slider('loss').valueAsNumber / 100;
    const rateMbps = RATES[this.#slider('rate').valueAsNumber] ?? 0;
    this.#switchboard.disturb(this.#net, { loss, delayMs: this.#slider('delay').valueAsNumber, rateMbps });
    this.#say();
    this.#changed();
  }

  #say(): void {
    const rate = RATES[this.#slider('rate').valueAsNumber] ?? 0;
    const texts = {
      loss: `${this.#slider('loss').value} %`,
      delay: `${this.#slider('delay').value} ms`,
      rate: rate === 0 ? 'no bound' : `${rate} Mbit/s`,
    };
    for (const [name, text] of Object.entries(texts)) {
      this.#slider(name).setAttribute('aria-valuetext', text);
      part(this.#root, `${name}-text`, HTMLElement).textContent = text;
    }
  }
}

/** What happens to frames, in words; nothing if nothing does. */
export function faultsText({ loss, delayMs, rateMbps }: Faults): string {
  const parts = [loss > 0 && `${Math.round(loss * 100)} % lost`, delayMs > 0 && `${delayMs} ms`, rateMbps > 0 && `${rateMbps} Mbit/s`];
  return parts.filter(Boolean).join(', ');
}
