/** A frame that was heard. */
export interface Frame {
  /** Counts from 0 at the last `clear`. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly bytes: Uint8Array;
  /** Decoded when somebody first looks. */
  summary?: string;
}

/** Frames that are kept; of more, the oldest go. */
export const FRAMES_MAX = 2000;

/** The newest frames of a network, by their numbers. */
export class FrameLog {
  #ring: Frame[] = [];
  #end = 0;

  /** The number of the oldest frame that is kept: so many were dropped. */
  get first(): number {
    return Math.max(0, this.#end - FRAMES_MAX);
  }
  /** The number that the next frame gets. */
  get end(): number {
    return this.#end;
  }
  get size(): number {
    return this.#end - this.first;
  }

  add(timeMs: number, bytes: Uint8Array): void {
    this.#ring[this.#end % FRAMES_MAX] = { number: this.#end, timeMs, bytes };
    this.#end++;
  }

  /** The frame of this number, if it is kept. */
  at(number: number): Frame | undefined {
    const frame = this.#ring[number % FRAMES_MAX];
    return frame?.number === number ? frame : undefined;
  }

  /** All that are kept, oldest first. */
  *[Symbol.iterator](): IterableIterator<Frame> {
    for (let number = this.first; number < this.#end; number++) {
      const frame = this.at(number);
      if (frame) yield frame;
    }
  }

  clear(): void {
    this.#ring = [];
    this.#end = 0;
  }
}
