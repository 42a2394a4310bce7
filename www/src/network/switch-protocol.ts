/** What happens to each frame that comes into a switch. */
export interface Faults {
  /** The chance that it is lost, from 0 to 1. */
  readonly loss: number;
  /** How long it travels, in milliseconds. */
  readonly delayMs: number;
  /** What each cable carries, in Mbit/s; 0 for no bound. */
  readonly rateMbps: number;
}

/** What the page sends to the worker of its switches. There is a switch for each `net` as soon as it is named. */
export type ToSwitch =
  | { type: 'plug'; net: string; cable: number; port: MessagePort }
  | { type: 'pull'; net: string; cable: number; out: boolean }
  | { type: 'remove'; net: string; cable: number }
  | { type: 'faults'; net: string; faults: Faults }
  /** Mirrors frames to `port`; without one, not any more. */
  | { type: 'mirror'; net: string; port?: MessagePort };

export type FromSwitch =
  /** The worker hears from now on. */
  | { type: 'ready' }
  /** A switch could not be made. */
  | { type: 'failed'; why: string };
