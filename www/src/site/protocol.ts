// What the site worker and the pages say to each other. Types only: the worker is a file of its own.

export type HeaderPairs = Array<[name: string, value: string]>;

/** To every page, with a port for the answer: who shows one of these sites? */
export interface Whose {
  type: 'whose';
  /** The site that is asked for, and the one that asked, as in `10.0.0.2:8080`. */
  sites: string[];
}

/** From the site worker, over the port. */
export type FromSiteWorker =
  /** The first message, to the one page that is to answer. */
  | { type: 'request'; url: string; method: string; headers: HeaderPairs; body: ArrayBuffer }
  /** For each `chunk` one of these: a slow reader slows the sender. */
  | { type: 'pull' }
  /** Nobody waits for it any more. */
  | { type: 'cancel' };

/** From a page, over the port. */
export type ToSiteWorker =
  | { type: 'here'; mine: boolean }
  | { type: 'head'; status: number; statusText: string; headers: HeaderPairs; body: boolean }
  | { type: 'chunk'; bytes: Uint8Array<ArrayBuffer> }
  | { type: 'end' }
  /** There is no answer, or no more of it. `late` if it did not come in time. */
  | { type: 'failed'; message: string; late: boolean };
