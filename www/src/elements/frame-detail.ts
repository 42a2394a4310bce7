import { type FrameField, type FrameLayer, frameLayers } from 'platform-js';
import { textElement } from '../dom';
import { HexDump } from './hex-dump';

/** One frame: its layers as a tree, and its bytes, in each of which what is chosen in the other is marked. */
export class FrameDetail {
  readonly #tree: HTMLElement;
  readonly #dump: HexDump;
  /** The one item that the Tab key reaches. */
  #current: HTMLElement | undefined;

  constructor(tree: HTMLElement, bytes: HTMLElement) {
    this.#tree = tree;
    this.#dump = new HexDump(bytes, (offset) => this.#choose(offset));
    tree.addEventListener('keydown', (event) => this.#keyed(event));
    tree.addEventListener('focusin', ({ target }) => this.#reach(itemOf(target)));
    tree.addEventListener('click', ({ target }) => {
      const item = itemOf(target);
      if (item && item === this.#current && target instanceof Element && target.closest('.label')) toggle(item);
      item?.focus();
    });
    // A pointer shows for a moment what a click or a key keeps.
    tree.addEventListener('pointerover', ({ target }) => this.#mark(itemOf(target) ?? this.#current));
    tree.addEventListener('pointerleave', () => this.#mark(this.#current));
  }

  show(frame: Uint8Array): void {
    const layers = frameLayers(frame);
    this.#tree.replaceChildren(...layers.map(layerItem));
    this.#dump.show(frame);
    // What the frame is for, is in its innermost header.
    const headers = layers.filter(({ name }) => name !== 'Payload' && name !== 'Padding');
    const item = this.#tree.children[Math.max(0, headers.length - 1)];
    if (!(item instanceof HTMLElement)) return;
    this.#reach(item);
    this.#tree.scrollTop = item.offsetTop - this.#tree.offsetTop;
  }

  #reach(item: HTMLElement | undefined): void {
    if (item === undefined) return;
    if (this.#current?.isConnected) {
      this.#current.tabIndex = -1;
      this.#current.ariaSelected = 'false';
    }
    this.#current = item;
    item.tabIndex = 0;
    item.ariaSelected = 'true';
    this.#mark(item);
  }

  #mark(item: HTMLElement | undefined): void {
    if (item?.isConnected) this.#dump.mark(Number(item.dataset['start']), Number(item.dataset['end']));
  }

  /** The narrowest item that has this byte. */
  #choose(offset: number): void {
    let best: HTMLElement | undefined;
    let width = Infinity;
    for (const item of items(this.#tree)) {
      const [start, end] = [Number(item.dataset['start']), Number(item.dataset['end'])];
      if (offset < start || offset >= end || end - start > width) continue;
      // Of two as narrow, the first, save that a field goes before its layer.
      if (end - start === width && item.ariaLevel === best?.ariaLevel) continue;
      best = item;
      width = end - start;
    }
    const layer = best?.parentElement?.closest<HTMLElement>('[aria-expanded]');
    if (layer) layer.ariaExpanded = 'true';
    best?.scrollIntoView({ block: 'nearest' });
    this.#reach(best);
  }

  /** As trees are used (ARIA Authoring Practices, "Tree View"). */
  #keyed(event: KeyboardEvent): void {
    const item = this.#current;
    if (!item || event.altKey || event.ctrlKey || event.metaKey) return;
    const seen = items(this.#tree).filter((other) => !other.parentElement?.closest('[aria-expanded="false"]'));
    const at = seen.indexOf(item);
    const parent = item.parentElement?.closest<HTMLElement>('[role="treeitem"]');
    let to: HTMLElement | null | undefined;
    switch (event.key) {
      case 'ArrowDown':
        to = seen[at + 1];
        break;
      case 'ArrowUp':
        to = seen[at - 1];
        break;
      case 'Home':
        to = seen[0];
        break;
      case 'End':
        to = seen.at(-1);
        break;
      case 'ArrowRight':
        if (item.ariaExpanded === 'false') toggle(item);
        else if (item.ariaExpanded === 'true') to = seen[at + 1];
        break;
      case 'ArrowLeft':
        if (item.ariaExpanded === 'true') toggle(item);
        else to = parent;
        break;
      case 'Enter':
      case ' ':
        toggle(item);
        break;
      default:
        return;
    }
    event.preventDefault();
    to?.focus();
  }
}

function layerItem(layer: FrameLayer): HTMLElement {
  const item = treeItem(layer, 1);
  const label = textElement('span', '');
  label.className = 'label';
  // Summaries stand alone elsewhere, with the protocol's name.
  const summary = layer.summary.startsWith(`${layer.name} `) ? layer.summary.slice(layer.name.length + 1) : layer.summary;
  label.append(textElement('strong', layer.name), ' ', textElement('span', summary));
  if (layer.problem !== undefined) {
    const problem = textElement('em', layer.problem);
    label.append(' ', problem);
  }
  item.append(label);
  if (layer.fields.length > 0) {
    item.ariaExpanded = 'true';
    const group = document.createElement('ul');
    group.role = 'group';
    group.append(...layer.fields.map(fieldItem));
    item.append(group);
  }
  return item;
}

function fieldItem(field: FrameField): HTMLElement {
  const item = treeItem(field, 2);
  const label = document.createElement('span');
  label.className = 'label';
  label.append(textElement('span', field.name), ' ', textElement('code', field.value));
  item.append(label);
  return item;
}

function treeItem({ start, end }: { start: number; end: number }, level: number): HTMLElement {
  const item = document.createElement('li');
  item.role = 'treeitem';
  item.ariaLevel = String(level);
  item.ariaSelected = 'false';
  item.tabIndex = -1;
  item.dataset['start'] = String(start);
  item.dataset['end'] = String(end);
  return item;
}

function items(tree: HTMLElement): HTMLElement[] {
  return [...tree.querySelectorAll<HTMLElement>('[role="treeitem"]')];
}

function itemOf(target: EventTarget | null): HTMLElement | undefined {
  return (target instanceof Element && target.closest<HTMLElement>('[role="treeitem"]')) || undefined;
}

function toggle(item: HTMLElement): void {
  if (item.ariaExpanded !== null) item.ariaExpanded = item.ariaExpanded === 'true' ? 'false' : 'true';
}
