import type { Domain } from './domain';

/** Waits this long for the state to settle, so that a boot is one sentence and not three. */
const SETTLE_MS = 600;

/** Tells screen readers of changed states, in one live region for the whole page. */
export class Announcer {
  readonly #region: HTMLElement;
  readonly #news = new Map<Domain, string>();
  #timer = 0;

  constructor(region: HTMLElement) {
    this.#region = region;
  }

  follow(domain: Domain): void {
    let said = '';
    domain.watch({
      state: () => {
        if (domain.state === said) return;
        said = domain.state;
        const { message } = domain.report;
        this.#news.set(domain, `${domain.name}: ${domain.state}.${message ? ` ${message}` : ''}`);
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#say(), SETTLE_MS);
      },
    });
  }

  #say(): void {
    this.#region.textContent = [...this.#news.values()].join(' ');
    this.#news.clear();
  }
}
