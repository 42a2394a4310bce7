import type { MirroredFrames } from 'platform-js';
import { FrameLog } from './frame-log';
import { Stations } from './stations';
import type { Switchboard } from './switchboard';

/** How long the page looks at what it has before it takes more, in milliseconds: about a frame of the screen. */
const REST_MS = 16;

/** What is before each mirrored frame: its time, and its length. */
const TIME = 8;
const LENGTH = 2;

/** Looks on at a LAN of this browser: its switch in this page copies each frame that passes. Nobody on the LAN notices. */
export class Sniffer {
  readonly log = new FrameLog();
  readonly stations = new Stations();
  readonly #heard: () => void;
  #switchboard: Switchboard | undefined;
  #net: string | undefined;
  #port: MessagePort | undefined;
  #leftOutBefore = 0;
  #leftOut = 0;

  /** `heard` is called for every batch of frames: it should leave the work for later. */
  constructor(heard: () => void) {
    this.#heard = heard;
  }

  set switchboard(switchboard: Switchboard) {
    this.#switchboard = switchboard;
  }

  /** Frames that passed too fast to be copied. */
  get leftOut(): number {
    return this.#leftOutBefore + this.#leftOut;
  }

  listen(net: string): void {
    if (this.#net === net) return;
    this.stop();
    const port = this.#switchboard?.watch(net);
    if (port === undefined) return;
    this.#net = net;
    this.#port = port;
    port.onmessage = ({ data: [frames, leftOut] }: MessageEvent<MirroredFrames>) => {
      this.#take(frames);
      this.#leftOut = leftOut;
      this.#heard();
      setTimeout(() => port.postMessage(null), REST_MS);
    };
  }

  stop(): void {
    if (this.#net !== undefined) this.#switchboard?.unwatch(this.#net);
    this.#port?.close();
    this.#net = undefined;
    this.#port = undefined;
    this.#leftOutBefore += this.#leftOut;
    this.#leftOut = 0;
  }

  clear(): void {
    this.log.clear();
    this.stations.clear();
    this.#leftOutBefore = -this.#leftOut;
  }

  #take(frames: ArrayBuffer): void {
    const view = new DataView(frames);
    for (let at = 0; at < frames.byteLength; ) {
      const time = view.getFloat64(at, true);
      const start = at + TIME + LENGTH;
      at = start + view.getUint16(at + TIME, true);
      // A copy of its own: a frame that is kept does not keep its neighbours.
      const frame = new Uint8Array(frames.slice(start, at));
      this.log.add(time, frame);
      this.stations.learn(frame);
    }
  }
}
