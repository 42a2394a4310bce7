import { argumentHelp } from 'platform-js';
import { part, textElement } from '../dom';
import type { Toolstack } from '../toolstack';

/** The button “New domain” and the dialog that it opens. */
export class MirageNewDomain extends HTMLElement {
  #toolstack: Toolstack | undefined;

  set toolstack(toolstack: Toolstack) {
    this.#toolstack = toolstack;
  }

  connectedCallback(): void {
    const dialog = part(this, 'dialog', HTMLDialogElement);
    const form = part(this, 'form', HTMLFormElement);
    const name = part(this, 'name', HTMLInputElement);
    part(this, 'open', HTMLButtonElement).addEventListener('click', () => this.#open(dialog, name));
    part(this, 'cancel', HTMLButtonElement).addEventListener('click', () => dialog.close());
    name.addEventListener('input', () => this.#checkName(name));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      dialog.close();
      this.#boot(name.value.trim(), part(this, 'args', HTMLInputElement).value.trim());
    });
    this.#listArguments();
  }

  override focus(): void {
    part(this, 'open', HTMLButtonElement).focus();
  }

  #open(dialog: HTMLDialogElement, name: HTMLInputElement): void {
    name.value = this.#toolstack?.freeName() ?? '';
    this.#checkName(name);
    dialog.showModal();
    name.select();
  }

  /** Two domains of one name would share one store; what else a name may be is for the unikernel to say. */
  #checkName(name: HTMLInputElement): void {
    const taken = this.#toolstack?.has(name.value.trim()) ?? false;
    const refusal = 'A domain of this name is on the page already, and a store belongs to its name. Choose another one.';
    name.setCustomValidity(taken ? refusal : '');
  }

  #boot(name: string, args: string): void {
    const query = new URLSearchParams({ name }).toString();
    const domain = this.#toolstack?.create(args === '' ? query : `${query}&${args.replace(/^[?&]+/, '')}`);
    const card = document.querySelector<HTMLElement>('mirage-domain:last-of-type');
    card?.scrollIntoView({ block: 'nearest' });
    // Its console takes input only once it runs; by then the reader may have gone elsewhere.
    const unwatch = domain?.watch({
      state: () => {
        unwatch?.();
        if (this.contains(document.activeElement)) card?.focus();
      },
    });
  }

  #listArguments(): void {
    const list = part(this, 'help', HTMLDListElement);
    for (const { name, expects, help } of argumentHelp()) {
      // The name has a field of its own.
      if (name === 'name') continue;
      const row = document.createElement('div');
      const term = document.createElement('dt');
      term.append(textElement('code', `${name}=`));
      row.append(term, textElement('dd', help), textElement('dd', expects));
      list.append(row);
    }
  }
}
