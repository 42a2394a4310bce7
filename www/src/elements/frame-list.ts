import type { FrameFilter } from '../network/frame-filter';
import { summaryOf } from '../network/frame-filter';
import type { Frame } from '../network/frame-log';

/** The height of a row in pixels, as network.css has it. */
const ROW = 26;
/** Rows that are drawn beyond those in view, so that a scroll shows no gap. */
const MARGIN = 6;

/**
 * The frames that pass a filter, as a list of which only what is in view is drawn and decoded. Follows the newest until
 * somebody looks back.
 */
export class FrameList {
  readonly #box: HTMLElement;
  readonly #sizer: HTMLElement;
  readonly #frames: FrameFilter;
  readonly #selected: (frame: Frame | undefined) => void;
  readonly #rows: HTMLElement[] = [];
  readonly #name: string;
  #number: number | undefined;
  #startMs = 0;
  #follow = true;
  /** Where the list put itself: being there is nobody's wish. */
  #top = 0;
  /** Told when following starts or ends. */
  followChanged: (follow: boolean) => void = () => {};

  constructor(box: HTMLElement, frames: FrameFilter, selected: (frame: Frame | undefined) => void) {
    this.#box = box;
    this.#frames = frames;
    this.#selected = selected;
    this.#name = box.id;
    this.#sizer = document.createElement('div');
    this.#sizer.role = 'presentation';
    this.#sizer.className = 'frame-sizer';
    box.append(this.#sizer);
    box.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    box.addEventListener('keydown', (event) => this.#keyed(event));
    box.addEventListener('click', (event) => {
      const row = event.target instanceof Element ? event.target.closest<HTMLElement>('[role="option"]') : null;
      if (row) this.#select(Number(row.dataset['index']));
    });
    new ResizeObserver(() => this.draw()).observe(box);
  }

  get follow(): boolean {
    return this.#follow;
  }
  set follow(follow: boolean) {
    if (this.#follow === follow) return;
    this.#follow = follow;
    this.followChanged(follow);
    if (follow) this.draw();
  }

  /** Times are shown from here on. */
  set startMs(ms: number) {
    this.#startMs = ms;
  }

  /** Forgets what was selected. */
  unselect(): void {
    this.#number = undefined;
    this.#box.removeAttribute('aria-activedescendant');
    this.#selected(undefined);
  }

  /** Shows what there is now, of which `gone` rows went from the front since the last time. */
  draw(gone = 0): void {
    const count = this.#frames.length;
    const height = `${count * ROW}px`;
    if (this.#sizer.style.height !== height) this.#sizer.style.height = height;
    const { clientHeight } = this.#box;
    if (clientHeight === 0) return;
    if (this.#follow) this.#scrollTo(count * ROW - clientHeight);
    else if (gone > 0) this.#scrollTo(this.#box.scrollTop - gone * ROW);
    this.#drawRows(count, clientHeight);
  }

  #drawRows(count: number, clientHeight: number): void {
    const from = Math.max(0, Math.floor(this.#box.scrollTop / ROW) - MARGIN);
    const to = Math.min(count, Math.ceil((this.#box.scrollTop + clientHeight) / ROW) + MARGIN);
    let active = '';
    for (let index = from; index < to; index++) {
      const row = (this.#rows[index - from] ??= this.#newRow(index - from));
      const frame = this.#frames.at(index);
      if (!frame) continue;
      if (row.dataset['number'] !== String(frame.number)) this.#fill(row, frame);
      row.hidden = false;
      row.style.top = `${index * ROW}px`;
      row.dataset['index'] = String(index);
      row.ariaPosInSet = String(index + 1);
      row.ariaSetSize = String(count);
      const selected = frame.number === this.#number;
      row.ariaSelected = String(selected);
      if (selected) active = row.id;
    }
    for (const row of this.#rows.slice(Math.max(0, to - from))) row.hidden = true;
    if (active) this.#box.setAttribute('aria-activedescendant', active);
    else this.#box.removeAttribute('aria-activedescendant');
  }

  #newRow(slot: number): HTMLElement {
    const row = document.createElement('div');
    row.role = 'option';
    row.id = `${this.#name}-${slot}`;
    row.className = 'frame-row';
    for (const column of ['number', 'time', 'length', 'summary']) {
      const cell = document.createElement('span');
      cell.className = column;
      row.append(cell);
    }
    this.#sizer.append(row);
    return row;
  }

  #fill(row: HTMLElement, frame: Frame): void {
    const summary = summaryOf(frame);
    const seconds = ((frame.timeMs - this.#startMs) / 1000).toFixed(3);
    [String(frame.number + 1), seconds, String(frame.bytes.length), summary].forEach((text, column) => {
      const cell = row.children[column];
      if (cell) cell.textContent = text;
    });
    row.dataset['number'] = String(frame.number);
    row.dataset['kind'] = kindOf(summary);
    row.title = summary;
  }

  #scrollTo(top: number): void {
    this.#box.scrollTop = top;
    this.#top = this.#box.scrollTop;
  }

  #scrolled(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.#box;
    if (scrollTop !== this.#top) this.follow = scrollTop + clientHeight >= scrollHeight - ROW;
    this.#drawRows(this.#frames.length, clientHeight);
  }

  #select(index: number): void {
    const frame = this.#frames.at(index);
    if (!frame) return;
    this.#number = frame.number;
    this.follow = false;
    const top = index * ROW;
    const { scrollTop, clientHeight } = this.#box;
    if (top < scrollTop) this.#scrollTo(top);
    else if (top + ROW > scrollTop + clientHeight) this.#scrollTo(top + ROW - clientHeight);
    this.#drawRows(this.#frames.length, clientHeight);
    this.#selected(frame);
  }

  #keyed(event: KeyboardEvent): void {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const last = this.#frames.length - 1;
    const now = this.#number === undefined ? -1 : this.#frames.indexOf(this.#number);
    const page = Math.max(1, Math.floor(this.#box.clientHeight / ROW) - 1);
    // Without a selection, the keys begin at the nearer end.
    const steps: Record<string, number> = {
      ArrowDown: now < 0 ? last : now + 1,
      ArrowUp: now < 0 ? last : now - 1,
      PageDown: now < 0 ? last : now + page,
      PageUp: now < 0 ? last : now - page,
      Home: 0,
      End: last,
    };
    const to = steps[event.key];
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.#select(Math.min(last, Math.max(0, to)));
  }
}

/** What a row is coloured by, beside its words. */
function kindOf(summary: string): string {
  if (summary.endsWith(')')) return 'problem';
  const [word] = /\b(ARP|TCP|ICMP|ICMPv6|NDISC|UDP|DHCP|DNS)\b/.exec(summary) ?? [''];
  return word.toLowerCase();
}
