import { frameSummary } from 'platform-js';
import type { Frame, FrameLog } from './frame-log';

/** What a frame says, in one line. */
export function summaryOf(frame: Frame): string {
  return (frame.summary ??= frameSummary(frame.bytes));
}

/** The frames of a log whose summaries contain a text. Without a text nothing is decoded. */
export class FrameFilter {
  readonly #log: FrameLog;
  #text = '';
  /** Numbers of the frames that match, up to `#looked`. */
  #matches: number[] = [];
  #looked = 0;
  #first = 0;

  constructor(log: FrameLog) {
    this.#log = log;
  }

  get text(): string {
    return this.#text;
  }
  set text(text: string) {
    this.#text = text.trim().toLowerCase();
    this.reset();
  }

  get length(): number {
    return this.#text === '' ? this.#log.end - this.#first : this.#matches.length;
  }

  /** The frame in this place among those that match. */
  at(index: number): Frame | undefined {
    const number = this.#text === '' ? this.#first + index : this.#matches[index];
    return number === undefined ? undefined : this.#log.at(number);
  }

  /** The place of the frame with this number; -1 if it is not among them. */
  indexOf(number: number): number {
    if (this.#text !== '') return this.#matches.indexOf(number);
    return number >= this.#first && number < this.#log.end ? number - this.#first : -1;
  }

  /** Takes in what was heard since; the result is how many went from the front, for they are no longer kept. */
  update(): number {
    const { first, end } = this.#log;
    if (this.#text === '') {
      const gone = first - this.#first;
      this.#first = first;
      return gone;
    }
    let gone = 0;
    while ((this.#matches[gone] ?? Infinity) < first) gone++;
    this.#matches.splice(0, gone);
    for (let number = Math.max(first, this.#looked); number < end; number++) {
      const frame = this.#log.at(number);
      if (frame && summaryOf(frame).toLowerCase().includes(this.#text)) this.#matches.push(number);
    }
    this.#looked = end;
    return gone;
  }

  /** Looks at the whole log anew. */
  reset(): void {
    this.#matches = [];
    this.#looked = 0;
    this.#first = this.#log.first;
    this.update();
  }
}
