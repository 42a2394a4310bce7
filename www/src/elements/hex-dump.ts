import { textElement } from '../dom';

const WIDTH = 16;

/** Bytes as a dump of hexadecimal numbers and characters, sixteen to a line, some of them marked. */
export class HexDump {
  readonly #box: HTMLElement;
  /** Two elements for each byte: its number and its character. */
  #cells: Array<[HTMLElement, HTMLElement]> = [];
  #marked: [start: number, end: number] = [0, 0];

  /** `chosen` is told the offset of a byte that was clicked. */
  constructor(box: HTMLElement, chosen: (offset: number) => void) {
    this.#box = box;
    box.addEventListener('click', ({ target }) => {
      const offset = target instanceof HTMLElement ? target.dataset['offset'] : undefined;
      if (offset !== undefined) chosen(Number(offset));
    });
  }

  show(bytes: Uint8Array): void {
    this.#cells = Array.from(bytes, (byte, offset) => [cell(hex(byte, 2), offset), cell(sign(byte), offset)]);
    this.#marked = [0, 0];
    const lines: Node[] = [];
    for (let at = 0; at < bytes.length; at += WIDTH) {
      const cells = this.#cells.slice(at, at + WIDTH);
      const offset = textElement('span', hex(at, 4));
      offset.className = 'offset';
      lines.push(offset, document.createTextNode('  '));
      cells.forEach(([number], index) => lines.push(number, document.createTextNode(index === 7 ? '  ' : ' ')));
      lines.push(document.createTextNode(' '.repeat(3 * (WIDTH - cells.length) + (cells.length < 8 ? 2 : 1))));
      lines.push(...cells.map(([, character]) => character), document.createTextNode('\n'));
    }
    this.#box.replaceChildren(...lines);
  }

  /** Marks the bytes from `start` to before `end`, and brings the first into view. */
  mark(start: number, end: number): void {
    for (const pair of this.#cells.slice(...this.#marked)) for (const one of pair) one.classList.remove('marked');
    for (const pair of this.#cells.slice(start, end)) for (const one of pair) one.classList.add('marked');
    this.#marked = [start, end];
    const [first] = this.#cells[start] ?? [];
    if (!first) return;
    // Not scrollIntoView, which would move the whole page as well.
    const { top, bottom } = first.getBoundingClientRect();
    const box = this.#box.getBoundingClientRect();
    if (top < box.top) this.#box.scrollTop += top - box.top - 8;
    else if (bottom > box.bottom) this.#box.scrollTop += bottom - box.bottom + 8;
  }
}

function cell(text: string, offset: number): HTMLElement {
  const element = textElement('span', text);
  element.dataset['offset'] = String(offset);
  return element;
}

const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');

/** The character that an ASCII code stands for, if it can be seen. */
const sign = (byte: number) => (byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·');
