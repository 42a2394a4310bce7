/** Time from an answer to the next question. */
const BEAT_MS = 1000;
/** Silence after which a domain counts as stuck. */
const PATIENCE_MS = 2000;
/** A timer this late says that the page itself was held up, so the domain's answer may still be in the page's queue. */
const LATE_MS = 500;

type Phase = 'idle' | 'waiting' | 'silent';

/**
 * Asks a domain for signs of life. At most one question is open at a time, so a domain that does not read its messages does
 * not collect them.
 */
export class Watchdog {
  readonly #ask: (id: number) => void;
  readonly #silent: () => void;
  #phase: Phase = 'idle';
  #beating = false;
  #askAgain = false;
  #id = 0;
  #timer = 0;

  /** `ask` sends one question; `silent` is told once when it stays unanswered. */
  constructor(ask: (id: number) => void, silent: () => void) {
    this.#ask = ask;
    this.#silent = silent;
  }

  /** Asks now, or as soon as the open question is answered. */
  ask(): void {
    if (this.#phase !== 'idle') {
      this.#askAgain = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#phase = 'waiting';
    this.#expect(PATIENCE_MS);
    this.#ask(++this.#id);
  }

  answered(id: number): void {
    if (this.#phase === 'idle' || id !== this.#id) return;
    clearTimeout(this.#timer);
    this.#phase = 'idle';
    if (this.#askAgain) {
      this.#askAgain = false;
      this.ask();
    } else if (this.#beating) {
      this.#timer = setTimeout(() => this.ask(), BEAT_MS);
    }
  }

  /** Whether to go on asking after each answer. */
  beat(on: boolean): void {
    if (on === this.#beating) return;
    this.#beating = on;
    if (on) this.ask();
    else if (this.#phase === 'idle') clearTimeout(this.#timer);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#phase = 'idle';
    this.#beating = false;
    this.#askAgain = false;
  }

  #expect(withinMs: number): void {
    const due = performance.now() + withinMs;
    this.#timer = setTimeout(() => {
      if (performance.now() > due + LATE_MS) {
        this.#expect(LATE_MS);
        return;
      }
      this.#phase = 'silent';
      this.#silent();
    }, withinMs);
  }
}
