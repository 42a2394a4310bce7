import { FrameLog } from './frame-log';
import { Stations } from './stations';

/** The channel of a LAN, as `platform-js` and v86 name it: each message is one Ethernet frame. */
export function channelOf(lan: number): string {
  return `v86-inbrowser-${lan}`;
}

/** Listens to a LAN of this browser. It sends nothing, so nobody on the LAN notices. */
export class Sniffer {
  readonly log = new FrameLog();
  readonly stations = new Stations();
  readonly #heard: () => void;
  #channel: BroadcastChannel | undefined;

  /** `heard` is called for every frame: it should leave the work for later. */
  constructor(heard: () => void) {
    this.#heard = heard;
  }

  get listening(): boolean {
    return this.#channel !== undefined;
  }

  listen(lan: number): void {
    this.stop();
    this.#channel = new BroadcastChannel(channelOf(lan));
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (!(data instanceof Uint8Array)) return;
      // A frame that was sent out of a larger buffer brings all of that buffer along.
      const frame = data.byteLength === data.buffer.byteLength ? data : data.slice();
      this.log.add(performance.timeOrigin + performance.now(), frame);
      this.stations.learn(frame);
      this.#heard();
    };
  }

  stop(): void {
    this.#channel?.close();
    this.#channel = undefined;
  }

  clear(): void {
    this.log.clear();
    this.stations.clear();
  }
}
