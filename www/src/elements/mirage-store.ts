import { Store, type StoreEntry, stores } from 'platform-js';
import { fromTemplate, messageOf, part, textElement } from '../dom';
import type { Domain } from '../domain';
import { bytes, moment } from '../format';
import { ValueEditor } from './value-editor';

/** The domain writes to its store and then to its console: look again when the console has been quiet this long … */
const SETTLE_MS = 250;
/** … and now and then while it is never quiet. */
const AT_MOST_MS = 2000;
/** The page stays usable with any store; `keys` on the console lists them all. */
const ROWS = 200;

/** A domain's stores: their keys and values, to look at and to change. */
export class MirageStore extends HTMLElement {
  #domain: Domain | undefined;
  #close: (() => void) | undefined;
  #open: { domain: string; name: string; store: Store } | undefined;
  #editor: ValueEditor | undefined;
  #timer = 0;
  #waitingSince: number | undefined;
  /** Refreshes run one after the other. */
  #last: Promise<void> = Promise.resolve();

  set domain(domain: Domain) {
    this.#domain = domain;
    if (this.isConnected) this.connectedCallback();
  }

  connectedCallback(): void {
    const domain = this.#domain;
    if (domain === undefined || this.#close !== undefined) return;
    this.append(fromTemplate('mirage-store'));
    this.#editor = new ValueEditor(this, () => this.#store(), () => this.refresh());

    part(this, 'which', HTMLSelectElement).addEventListener('change', () => {
      this.#editor?.close();
      void this.refresh();
    });
    this.#wireButtons();

    const soon = () => this.#refreshSoon();
    const seen = () => document.hidden || soon();
    const unwatch = domain.watch({ state: soon, console: soon });
    // Another tab may have written while this one was out of sight.
    document.addEventListener('visibilitychange', seen);
    this.#close = () => {
      unwatch();
      document.removeEventListener('visibilitychange', seen);
      clearTimeout(this.#timer);
      this.#open?.store.close();
      this.#open = undefined;
    };
    void this.refresh();
  }

  disconnectedCallback(): void {
    this.#close?.();
    this.#close = undefined;
  }

  /** Reads the stores again and shows them. */
  refresh(): Promise<void> {
    this.#last = this.#last.then(() => this.#read()).catch((error: unknown) => {
      // The next try opens it anew: it may have been deleted under us.
      this.#open?.store.close();
      this.#open = undefined;
      this.#say(messageOf(error));
    });
    return this.#last;
  }

  #wireButtons(): void {
    const on = (name: string, act: () => void) => part(this, name, HTMLButtonElement).addEventListener('click', act);
    const dialog = part(this, 'clear-dialog', HTMLDialogElement);
    on('refresh', () => void this.refresh());
    on('add', () => this.#editor?.add());
    on('clear', () => {
      dialog.returnValue = '';
      dialog.showModal();
    });
    dialog.addEventListener('close', () => {
      if (dialog.returnValue === 'clear') void this.#clear();
    });
  }

  async #clear(): Promise<void> {
    try {
      await (await this.#store()).clear();
      this.#editor?.close();
    } catch (error) {
      this.#say(messageOf(error));
      return;
    }
    await this.refresh();
  }

  #refreshSoon(): void {
    if (document.hidden) return;
    clearTimeout(this.#timer);
    const now = performance.now();
    this.#waitingSince ??= now;
    const wait = Math.max(0, Math.min(SETTLE_MS, this.#waitingSince + AT_MOST_MS - now));
    this.#timer = setTimeout(() => {
      this.#waitingSince = undefined;
      void this.refresh();
    }, wait);
  }

  async #read(): Promise<void> {
    if (this.#domain === undefined || this.#close === undefined) return;
    const names = await stores(this.#domain.name);
    this.#showNames(names);
    const entries = names.length === 0 ? [] : await (await this.#store()).list();
    this.#showEntries(entries, names.length > 0);
    this.#say('');
  }

  /** The store that is chosen, open. */
  async #store(): Promise<Store> {
    const domain = this.#domain?.name ?? '';
    const name = part(this, 'which', HTMLSelectElement).value;
    if (this.#open?.domain === domain && this.#open.name === name) return this.#open.store;
    this.#open?.store.close();
    this.#open = undefined;
    const store = await Store.open(domain, name);
    this.#open = { domain, name, store };
    return store;
  }

  #showNames(names: string[]): void {
    const which = part(this, 'which', HTMLSelectElement);
    const chosen = which.value;
    const shown = Array.from(which.options, (option) => option.value);
    if (shown.join('\n') !== names.join('\n')) {
      which.replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
    }
  }

  #showEntries(entries: StoreEntry[], exists: boolean): void {
    const name = part(this, 'which', HTMLSelectElement).value;
    part(this, 'choose', HTMLElement).hidden = !exists;
    part(this, 'table', HTMLTableElement).hidden = entries.length === 0;
    part(this, 'add', HTMLButtonElement).disabled = !exists;
    part(this, 'clear', HTMLButtonElement).disabled = entries.length === 0;
    part(this, 'clear-question', HTMLElement).textContent =
      `All ${entries.length === 1 ? 'of its one key goes' : `${entries.length} keys go`}, and nothing brings them back.`;
    const title = `Clear the store “${name}” of ${this.#domain?.name ?? ''}?`;
    part(this, 'clear-title', HTMLElement).textContent = title;
    part(this, 'clear-dialog', HTMLDialogElement).setAttribute('aria-label', title);
    const empty = part(this, 'empty', HTMLElement);
    empty.hidden = entries.length > 0 && entries.length <= ROWS;
    if (!exists) empty.textContent = 'This domain has no store yet.';
    else if (entries.length === 0) empty.textContent = 'This store is empty.';
    else empty.textContent = `${entries.length - ROWS} more keys are not shown.`;
    this.#showRows(entries.slice(0, ROWS));
  }

  /** Rows are kept by key, so that the keyboard's place survives a refresh. */
  #showRows(entries: StoreEntry[]): void {
    const body = part(this, 'rows', HTMLTableSectionElement);
    const old = new Map(Array.from(body.rows, (row) => [row.dataset['key'], row]));
    entries.forEach((entry, index) => {
      const row = old.get(entry.key) ?? this.#newRow(entry.key);
      old.delete(entry.key);
      const [, size, modified] = row.cells;
      if (size) size.textContent = bytes(entry.size);
      if (modified) modified.textContent = moment(entry.modifiedMs);
      if (body.rows[index] !== row) body.insertBefore(row, body.rows[index] ?? null);
    });
    for (const row of old.values()) row.remove();
  }

  #newRow(key: string): HTMLTableRowElement {
    const row = document.createElement('tr');
    row.dataset['key'] = key;
    const button = textElement('button', key);
    button.type = 'button';
    button.title = `Show and edit ${key}`;
    button.addEventListener('click', () => void this.#editor?.show(key));
    const head = document.createElement('th');
    head.scope = 'row';
    head.append(button);
    row.append(head, document.createElement('td'), document.createElement('td'));
    return row;
  }

  #say(trouble: string): void {
    const element = part(this, 'trouble', HTMLElement);
    element.textContent = trouble;
    element.hidden = trouble === '';
  }
}
