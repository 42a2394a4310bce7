import { DomConsole } from 'platform-js';
import { fromTemplate, part } from '../dom';
import type { Domain, DomainState } from '../domain';
import type { Gateway } from '../site/gateway';
import { factRows, showFacts } from './facts';
import { MirageSite } from './mirage-site';
import { MirageStore } from './mirage-store';
import { stateIcon } from './state-icon';

/** What a state means, for somebody who meets it for the first time. States that need no words have none. */
const MEANING: Partial<Record<DomainState, string>> = {
  stuck: 'It has not answered for two seconds: some code runs on without ever awaiting, so nothing else in this domain gets'
    + ' a turn. The page and the other domains go on. Reset or destroy it.',
  crashed: 'The unikernel panicked. Only this domain is affected, and its store is kept. Reset boots it again.',
  failed: 'It stopped with an error. Reset boots it again with the same arguments.',
  halted: 'The unikernel ended by itself. Its store is kept. Reset boots it again.',
  destroyed: 'The instance and its memory are gone; its store is kept. Reset boots a new one.',
};

/** A domain's card: its state, its console, its controls and what it owns. Tells by `remove` that it may go. */
export class MirageDomain extends HTMLElement {
  #domain: Domain | undefined;
  #gateway: Gateway | undefined;
  #close: (() => void) | undefined;

  set domain(domain: Domain) {
    this.#domain = domain;
  }
  /** The way to its web site. */
  set gateway(gateway: Gateway) {
    this.#gateway = gateway;
  }

  connectedCallback(): void {
    const domain = this.#domain;
    if (domain === undefined || this.#close !== undefined) return;
    this.replaceChildren(fromTemplate('mirage-domain'));

    const screen = part(this, 'console', HTMLElement);
    const console = new DomConsole(screen, (text) => domain.input(text));
    const store = part(this, 'store', MirageStore);
    store.domain = domain;
    const site = part(this, 'site', MirageSite);
    if (this.#gateway) site.connect(domain, this.#gateway);
    this.#wireButtons(domain);
    this.#showState(domain, console);
    this.#showFacts(domain);

    const unwatch = domain.watch({
      state: () => this.#showState(domain, console),
      console: (text) => console.write(text),
      stats: () => this.#showFacts(domain),
      reset: () => {
        console.clear();
        this.#showFacts(domain);
      },
    });
    this.#close = () => {
      unwatch();
      console.free();
    };
  }

  disconnectedCallback(): void {
    this.#close?.();
    this.#close = undefined;
  }

  override focus(): void {
    this.querySelector<HTMLInputElement>('.mirage-input input')?.focus();
  }

  #button(name: string): HTMLButtonElement {
    return part(this, name, HTMLButtonElement);
  }

  #wireButtons(domain: Domain): void {
    const on = (name: string, act: () => void) => this.#button(name).addEventListener('click', act);
    on('pause', () => (domain.state === 'paused' ? domain.resume() : domain.pause()));
    on('reset', () => domain.reset());
    on('unplug', () => (domain.unplugged = !domain.unplugged));
    on('shutdown', () => domain.shutdown());
    on('destroy', () => domain.destroy());
    on('remove', () => this.dispatchEvent(new Event('remove')));
  }

  #showState(domain: Domain, console: DomConsole): void {
    const { state, name, report } = domain;
    part(this, 'section', HTMLElement).setAttribute('aria-label', name);
    part(this, 'name', HTMLElement).textContent = name;

    const word = part(this, 'state', HTMLElement);
    if (word.dataset['state'] !== state) {
      word.dataset['state'] = state;
      word.replaceChildren(stateIcon(state), state);
    }

    const responsive = state === 'running' || state === 'paused';
    this.#button('pause').textContent = state === 'paused' ? 'Resume' : 'Pause';
    this.#enable('pause', responsive);
    this.#button('unplug').textContent = domain.unplugged ? 'Plug in' : 'Unplug';
    this.#button('unplug').title = `${domain.unplugged ? 'Puts' : 'Takes'} its network cable ${domain.unplugged ? 'back in' : 'out'}`;
    this.#button('unplug').hidden = !domain.pluggable;
    this.#enable('shutdown', responsive);
    this.#enable('destroy', state !== 'destroyed');
    this.#button('remove').hidden = state !== 'destroyed';
    console.enable(responsive);

    const meaning = MEANING[state];
    part(this, 'report', HTMLElement).hidden = meaning === undefined && report.message === undefined;
    this.#say('meaning', meaning);
    this.#say('message', report.message);
    this.#say('location', report.location);
    part(this, 'stack', HTMLDetailsElement).hidden = !report.stack;
    part(this, 'stack-text', HTMLElement).textContent = report.stack ?? '';
  }

  #say(name: string, text: string | undefined): void {
    const element = part(this, name, HTMLElement);
    element.textContent = text ?? '';
    element.hidden = !text;
  }

  #enable(name: string, on: boolean): void {
    const button = this.#button(name);
    // A disabled button drops the keyboard's place: hand it to the one that always works.
    if (!on && document.activeElement === button) this.#button('reset').focus();
    button.disabled = !on;
  }

  #showFacts(domain: Domain): void {
    showFacts(part(this, 'facts', HTMLDListElement), factRows(domain));
  }
}
