import type { Store } from 'platform-js';
import { messageOf, part } from '../dom';
import { bytes } from '../format';
import { asHex, asText, toBytes, type View } from '../value-text';

/** A longer value is shown by its beginning and is not editable: a text field of megabytes would freeze the page. */
const LONGEST = 64 * 1024;

/** What the editor holds: nothing, a value that is not yet in the store, or one that is. */
type Editing = { what: 'nothing' } | { what: 'new' } | { what: 'old'; key: string; modifiedMs: number | undefined };

/** The form below a store's table, in which one value is seen, changed, added or removed. */
export class ValueEditor {
  readonly #form: HTMLFormElement;
  readonly #key: HTMLInputElement;
  readonly #value: HTMLTextAreaElement;
  readonly #remove: HTMLButtonElement;
  readonly #save: HTMLButtonElement;
  readonly #note: HTMLElement;
  readonly #store: () => Promise<Store>;
  readonly #changed: () => Promise<void>;
  readonly #root: HTMLElement;
  #editing: Editing = { what: 'nothing' };
  #view: View = 'text';

  constructor(root: HTMLElement, store: () => Promise<Store>, changed: () => Promise<void>) {
    this.#root = root;
    this.#store = store;
    this.#changed = changed;
    this.#form = part(root, 'editor', HTMLFormElement);
    this.#key = part(root, 'key', HTMLInputElement);
    this.#value = part(root, 'value', HTMLTextAreaElement);
    this.#remove = part(root, 'remove-key', HTMLButtonElement);
    this.#save = part(root, 'save', HTMLButtonElement);
    this.#note = part(root, 'note', HTMLElement);

    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#attempt(() => this.#write());
    });
    this.#remove.addEventListener('click', () => void this.#attempt(() => this.#drop()));
    part(root, 'close', HTMLButtonElement).addEventListener('click', () => this.close());
    this.#form.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.close();
    });
    this.#form.addEventListener('change', (event) => {
      if (event.target instanceof HTMLInputElement && event.target.type === 'radio') {
        this.#switchTo(event.target.value === 'hex' ? 'hex' : 'text');
      }
    });
  }

  /** Opens an empty form. */
  add(): void {
    this.#fill({ what: 'new' }, '', new Uint8Array());
    this.#key.focus();
  }

  /** Opens the form on the value under `key`. */
  async show(key: string): Promise<void> {
    await this.#attempt(async () => {
      const store = await this.#store();
      const modifiedMs = await modified(store, key);
      this.#fill({ what: 'old', key, modifiedMs }, key, await store.get(key));
      this.#value.focus();
    });
  }

  close(): void {
    if (this.#editing.what === 'nothing') return;
    const from = this.#editing.what === 'old' ? this.#editing.key : undefined;
    this.#editing = { what: 'nothing' };
    const held = this.#form.contains(document.activeElement);
    this.#form.hidden = true;
    if (!held) return;
    const row = this.#root.querySelector<HTMLElement>(`tr[data-key="${CSS.escape(from ?? '')}"] button`);
    (row ?? part(this.#root, 'add', HTMLButtonElement)).focus();
  }

  #fill(editing: Editing, key: string, value: Uint8Array): void {
    this.#editing = editing;
    this.#form.hidden = false;
    this.#key.value = key;
    this.#key.readOnly = editing.what === 'old';
    this.#remove.hidden = editing.what !== 'old';

    const tooLong = value.length > LONGEST;
    const shown = value.subarray(0, LONGEST);
    const text = asText(shown);
    this.#choose(text === undefined ? 'hex' : 'text');
    this.#value.value = text ?? asHex(shown);
    this.#value.readOnly = tooLong;
    this.#save.disabled = tooLong;
    for (const radio of this.#radios()) radio.disabled = tooLong;
    this.#tell(tooLong ? `The first ${bytes(LONGEST)} of ${bytes(value.length)}. It is too long to be edited here.` : '');
  }

  #switchTo(view: View): void {
    try {
      const value = toBytes(this.#value.value, this.#view);
      const text = view === 'hex' ? asHex(value) : asText(value);
      if (text === undefined) throw new Error('These bytes are not text (UTF-8), so they are shown as hexadecimal.');
      this.#value.value = text;
      this.#choose(view);
      this.#tell('');
    } catch (error) {
      this.#choose(this.#view);
      this.#tell(messageOf(error));
    }
  }

  async #write(): Promise<void> {
    const editing = this.#editing;
    const key = this.#key.value.trim();
    const value = toBytes(this.#value.value, this.#view);
    const store = await this.#store();
    const now = await modified(store, key);
    if (now !== undefined && now !== (editing.what === 'old' ? editing.modifiedMs : undefined)) {
      // Having read the new value, the store lets the next save replace it.
      await store.get(key);
      this.#editing = { what: 'old', key, modifiedMs: now };
      throw new Error(
        editing.what === 'new'
          ? `“${key}” is in the store already. Save again to replace its value.`
          : 'The value has changed since you opened it. Save again to replace it, or close and look at the new one.',
      );
    }
    await store.set(key, value);
    await this.#changed();
    this.#editing = { what: 'old', key, modifiedMs: now };
    this.close();
  }

  async #drop(): Promise<void> {
    await (await this.#store()).remove(this.#key.value);
    await this.#changed();
    this.close();
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#form.hidden = false;
      this.#tell(messageOf(error));
    }
  }

  #radios(): HTMLInputElement[] {
    return Array.from(this.#form.querySelectorAll<HTMLInputElement>('input[type="radio"]'));
  }

  #choose(view: View): void {
    this.#view = view;
    for (const radio of this.#radios()) radio.checked = radio.value === view;
  }

  #tell(note: string): void {
    this.#note.textContent = note;
    this.#note.hidden = note === '';
  }
}

/** When the value under `key` was last written; `undefined` where there is none. */
async function modified(store: Store, key: string): Promise<number | undefined> {
  return (await store.list()).find((entry) => entry.key === key)?.modifiedMs;
}
