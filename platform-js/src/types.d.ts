/** How a domain is. Those from `halted` on are ends: only a new boot leads on. */
export type State =
  /** Not started yet. */
  | "booting"
  | "running"
  /** Held by `pause`: none of its code runs, while time and messages go on. */
  | "paused"
  /** Its `start` came to a good end, or it was destroyed. */
  | "halted"
  /** It came to a good end after `shutdown(true)`: boot it again. */
  | "rebooting"
  /** Its `start` gave an error, or its arguments were wrong; `message` says which. */
  | "failed"
  /** It panicked; `message`, `location` and `stack` say where. */
  | "crashed";

/** What has become of a domain. */
export interface Status {
  state: State;
  name: string;
  /** Why it failed or crashed. */
  message?: string;
  /** Where it panicked: file, line and column of the Rust source. */
  location?: string;
  /** The JavaScript and WebAssembly stack at the panic. */
  stack?: string;
}

/** What a domain uses, since its boot. */
export interface Stats {
  name: string;
  state: State;
  /** From `boot` to the end of the first line on the console, in milliseconds; 0 until then. */
  bootMs: number;
  uptimeMs: number;
  /** All memory of its WebAssembly instance. */
  memoryBytes: number;
  /** Tasks that have not ended. */
  tasks: number;
  console: ConsoleStats;
  networks: NetworkStats[];
  /** Names of the key-value stores it has opened. */
  stores: string[];
  /** Addresses of its TCP/IP stack with the lengths of their prefixes, as in `10.0.0.2/24`; none if it has no stack. */
  addresses: string[];
}

export interface ConsoleStats {
  writtenBytes: number;
  readBytes: number;
  /** Output that was dropped because the page did not keep up, and input that nobody read in time. */
  droppedBytes: number;
}

/** A network interface and what passed through it, in Ethernet frames. */
export interface NetworkStats {
  /** What it is plugged into, as the argument `net` spells it. */
  name: string;
  /** How frames go: to the page's switch through shared memory or by messages, straight to all tabs, or to a relay. */
  cable: "ring" | "port" | "broadcast" | "websocket";
  mac: string;
  link: "up" | "down";
  rxFrames: number;
  rxBytes: number;
  rxDropped: number;
  txFrames: number;
  txBytes: number;
  txDropped: number;
}

/** An argument that the unikernel takes. */
export interface ArgumentInfo {
  name: string;
  /** What its value looks like. */
  expects: string;
  help: string;
}

/** How to boot a unikernel in the window. */
export interface BootOptions {
  /** The element in which its console is drawn. */
  console: Element;
  /** Its arguments, spelled as in a URL's query: `"name=web&logs=debug"`. None by default. */
  args?: string;
  /** A cable to a `Switch`, for the network that its argument `net` names. */
  cable?: MessagePort;
}

/** A value in a store. */
export interface StoreEntry {
  /** Its whole key, without a `/` in front. */
  key: string;
  size: number;
  /** When it was last written, in milliseconds since 1970. */
  modifiedMs: number;
}

/** What the page sends to a worker that called `serve`. */
export type ToDomain =
  /**
   * Boots the unikernel; the first message, and only once. Arguments are spelled as in a URL's query; `cable` leads to a
   * `Switch`, for the network that the argument `net` names.
   */
  | { type: "boot"; args: string; cable?: MessagePort }
  /** Typed text for its console, with its line end. */
  | { type: "input"; text: string }
  /** No more will be typed: its console reads end of file. */
  | { type: "close" }
  | { type: "pause" }
  | { type: "resume" }
  /** Asks it to end, to be booted again if `reboot`. It may take its time. */
  | { type: "shutdown"; reboot: boolean }
  /** Asks for a `pong`, which tells that the domain's event loop turns. */
  | { type: "ping"; id: number }
  /** The answer to each `console` message, once it is on the screen; the next one comes only then. */
  | { type: "drained" };

/** What such a worker sends to the page. After the status `crashed` nothing comes any more. */
export type FromDomain =
  /** The module is there and waits for `boot`. */
  | { type: "ready" }
  /** Text for the console, to be answered by `drained`. */
  | { type: "console"; text: string }
  /** The state has changed. */
  | { type: "status"; status: Status }
  /** The answer to the `ping` of that id; no `stats` before the boot. */
  | { type: "pong"; id: number; stats?: Stats };

/**
 * What a `Switch` sends to whom it mirrors its frames to, who answers with any message when it can take more: frames, and how
 * many were left out so far, as there was no room for them. Each frame is behind its time (milliseconds since 1970, a double) and
 * its length (two bytes), both little-endian.
 */
export type MirroredFrames = [frames: ArrayBuffer, leftOut: number];

/** A TCP connection of a `Host`. */
export interface HostConnection {
  readable: ReadableStream<Uint8Array>;
  writable: WritableStream<Uint8Array>;
}

/** A layer of a frame: a header, payload, or padding. */
export interface FrameLayer {
  /** The protocol's name, or `Payload`, or `Padding`. */
  name: string;
  /** Its bytes in the frame: from `start` to before `end`. */
  start: number;
  end: number;
  /** A few words on what it is there for. */
  summary: string;
  /** What is wrong with it, if anything is. */
  problem?: string;
  fields: FrameField[];
}

/** A field of a layer, as text. */
export interface FrameField {
  name: string;
  start: number;
  end: number;
  value: string;
}
