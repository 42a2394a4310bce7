import { DEFAULT_NAME, Domain } from './domain';

/** The list of domains, and who makes and removes them: what `xl` is to Xen. */
export class Toolstack {
  readonly #domains = new Set<Domain>();
  readonly #watchers = new Set<(domain: Domain) => void>();

  constructor() {
    document.addEventListener('visibilitychange', () => {
      for (const domain of this.#domains) domain.visible = !document.hidden;
    });
  }

  /** Calls `created` for each domain, those that are there and those to come. */
  watch(created: (domain: Domain) => void): void {
    this.#watchers.add(created);
    for (const domain of this.#domains) created(domain);
  }

  create(args: string): Domain {
    const domain = new Domain(args);
    domain.visible = !document.hidden;
    this.#domains.add(domain);
    for (const created of this.#watchers) created(domain);
    return domain;
  }

  remove(domain: Domain): void {
    domain.destroy();
    this.#domains.delete(domain);
  }

  all(): Domain[] {
    return [...this.#domains];
  }

  has(name: string): boolean {
    return [...this.#domains].some((domain) => domain.name === name);
  }

  /** A name that no domain of this page has. */
  freeName(): string {
    if (!this.has(DEFAULT_NAME)) return DEFAULT_NAME;
    let number = 2;
    while (this.has(`${DEFAULT_NAME}-${number}`)) number++;
    return `${DEFAULT_NAME}-${number}`;
  }
}
