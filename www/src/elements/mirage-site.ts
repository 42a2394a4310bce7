import { fromTemplate, messageOf, part } from '../dom';
import type { Domain } from '../domain';
import type { Gateway, SiteView } from '../site/gateway';
import { toNetwork, toPage } from '../site/site-url';

/** A domain's web site, as the page's own host sees it: an iframe whose requests go over the network to the unikernel. */
export class MirageSite extends HTMLElement {
  #domain: Domain | undefined;
  #gateway: Gateway | undefined;
  #view: (SiteView & { site: string }) | undefined;
  /** Where the reader was, the present place last. */
  #visited: string[] = [];
  #unwatch: (() => void) | undefined;

  connect(domain: Domain, gateway: Gateway): void {
    this.#domain = domain;
    this.#gateway = gateway;
    this.append(fromTemplate('mirage-site'));
    this.#wire();
    const show = () => this.#showAddress();
    this.#unwatch = domain.watch({ state: show, stats: show, reset: show });
    show();
  }

  disconnectedCallback(): void {
    this.#unwatch?.();
    if (this.#view) this.#gateway?.close(this.#view);
    this.#view = undefined;
  }

  get #frame(): HTMLIFrameElement {
    return part(this, 'frame', HTMLIFrameElement);
  }
  get #address(): HTMLInputElement {
    return part(this, 'address', HTMLInputElement);
  }

  #wire(): void {
    part(this, 'details', HTMLDetailsElement).addEventListener('toggle', (event) => {
      if (!(event.target as HTMLDetailsElement).open) return;
      if (this.#visited.length === 0) this.#home();
      this.scrollIntoView({ block: 'nearest' });
    });
    part(this, 'back', HTMLButtonElement).addEventListener('click', () => {
      this.#visited.pop();
      const before = this.#visited.pop();
      if (before !== undefined) void this.#go(before);
    });
    part(this, 'reload', HTMLButtonElement).addEventListener('click', () => {
      const now = this.#visited.at(-1);
      if (now === undefined) this.#home();
      else void this.#go(now);
    });
    part(this, 'bar', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      const url = toPage(this.#address.value.trim());
      if (url !== undefined) void this.#go(url);
      else this.#say(`“${this.#address.value}” is no address of a web site on this network, such as http://10.0.0.2/.`);
    });
    this.#frame.addEventListener('load', () => this.#arrived());
  }

  #showAddress(): void {
    const address = this.#domain?.address;
    // One that ended with its site in view is still looked at.
    this.hidden = address === undefined && this.#visited.length === 0;
    if (address === undefined) return;
    part(this, 'where', HTMLElement).textContent = `http://${address}/`;
    this.#frame.title = `Web site of ${this.#domain?.name ?? address}`;
  }

  #home(): void {
    const address = this.#domain?.address;
    const url = address === undefined ? undefined : toPage(address);
    if (url !== undefined) void this.#go(url);
  }

  /** Shows an address of the page's that stands for one on the network. */
  async #go(url: string): Promise<void> {
    const site = toNetwork(url)?.host;
    if (site === undefined || this.#domain === undefined) return;
    this.#say('');
    this.#address.value = toNetwork(url)?.href ?? '';
    const net = this.#domain.net;
    if (this.#view === undefined || this.#view.net !== net) {
      if (this.#view) this.#gateway?.close(this.#view);
      this.#view = { net, site };
    }
    this.#view.site = site;
    try {
      await this.#gateway?.open(this.#view);
      this.#frame.hidden = false;
      this.setAttribute('aria-busy', 'true');
      // Not by `src`: that would put each step into the way of the browser's own Back.
      this.#frame.contentWindow?.location.replace(url);
    } catch (error) {
      this.#say(messageOf(error));
    }
  }

  #arrived(): void {
    const inside = this.#frame.contentWindow;
    const url = inside && placeOf(inside);
    if (url === 'about:blank') return;
    this.removeAttribute('aria-busy');
    const place = url ? toNetwork(url) : undefined;
    if (!inside || !url || !place || !this.#view) {
      this.#say('The site led out of the network, where this view cannot follow. Type an address, or go back.');
      return;
    }
    if (inside.navigator.serviceWorker.controller === null) {
      this.#say('The browser went past the service worker that carries the site, as it does after a forced reload.'
        + ' Reload the page as usual.');
      return;
    }
    this.#view.site = place.host;
    this.#address.value = place.href;
    if (this.#visited.at(-1) !== url) this.#visited.push(url);
    // As many as somebody may want to go back.
    this.#visited.splice(0, this.#visited.length - STEPS_MAX);
    part(this, 'back', HTMLButtonElement).disabled = this.#visited.length < 2;
    stayInside(inside.document, place);
  }

  #say(trouble: string): void {
    const element = part(this, 'trouble', HTMLElement);
    element.textContent = trouble;
    element.hidden = trouble === '';
  }
}

/** Places that are remembered for Back. */
const STEPS_MAX = 50;

/** Where a frame is, unless it is somewhere that the page may not know. */
function placeOf(frame: Window): string | undefined {
  try {
    return frame.location.href;
  } catch {
    return undefined;
  }
}

/**
 * Makes links and forms with absolute addresses lead where they mean to: `/how.html` to the same site and `http://10.0.0.3/` to
 * another one. The browser takes them for the page's origin, or would leave it. Relative ones are right as they are.
 */
function stayInside(document: Document, place: URL): void {
  for (const [selector, attribute] of [['a, area', 'href'], ['form', 'action'], ['button, input', 'formaction']] as const) {
    for (const element of document.querySelectorAll(selector)) {
      // There is no other window that they could open.
      element.removeAttribute('target');
      const value = element.getAttribute(attribute)?.trim();
      if (!value || !/^(\/|https?:)/i.test(value) || !URL.canParse(value, place)) continue;
      const url = toPage(new URL(value, place).href);
      if (url !== undefined) element.setAttribute(attribute, url);
    }
  }
}
