// One end of a network: a unikernel, and beside it the same cable by hand.
import { Switch, Unikernel } from 'bench-unikernel';
import { byMessages, byRing, type Cable } from './net-cables';

export type Call =
  | ['boot', string, MessagePort?]
  | ['switch', string, boolean, MessagePort[]]
  | ['listen']
  | ['send', string, number]
  | ['within', number]
  | ['ping', string]
  | ['plug', string, number, MessagePort?, SharedArrayBuffer[]?]
  | ['pour', number]
  | ['bounce', number];

let unikernel: Unikernel | undefined;
let lan: Switch | undefined;

const booted = () => {
  if (!unikernel) throw new Error('not booted');
  return unikernel;
};

async function open(net: string): Promise<Cable> {
  const cable: Cable = { send: () => {}, receive: () => {} };
  const took = ({ data }: MessageEvent<Uint8Array | ArrayBuffer>) =>
    cable.receive(data instanceof ArrayBuffer ? new Uint8Array(data) : data);
  if (net.startsWith('lan:')) {
    const channel = new BroadcastChannel(`v86-inbrowser-${net.slice(4)}`);
    channel.onmessage = took;
    cable.send = (frame) => channel.postMessage(frame);
  } else {
    const socket = new WebSocket(net);
    socket.binaryType = 'arraybuffer';
    socket.onmessage = took;
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new Error(`no relay at ${net}`));
    });
    cable.send = (frame) => socket.send(frame as Uint8Array<ArrayBuffer>);
  }
  return cable;
}

/** Frames that may be under way; the other side says so for each half of them. Without it the browser would queue them all. */
const window = 256;
const [poured, bounced, taken] = [1, 2, 3];

let cable: Cable | undefined;
let own = 0;
/** What the next frame that is for the waiting one calls. */
let next: () => void = () => {};
let credit = window;

function frame(kind: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  // To the other, from us, of an experimental type (IEEE 802).
  bytes.set([2, 0, 0, 0, 0, 3 - own, 2, 0, 0, 0, 0, own, 0x88, 0xb5, kind]);
  return bytes;
}

async function plug(net: string, number: number, port?: MessagePort, rings: SharedArrayBuffer[] = []): Promise<void> {
  own = number;
  const opened = port === undefined ? await open(net) : rings.length === 2 ? byRing(port, rings) : byMessages(port);
  let count = 0;
  opened.receive = (bytes) => {
    if (bytes[5] !== own) return;
    if (bytes[14] === poured) {
      if (++count % (window / 2) === 0) opened.send(frame(taken, 60));
    } else if (bytes[14] === bounced && own === 2) {
      opened.send(frame(bounced, 60));
    } else {
      if (bytes[14] === taken) credit += window / 2;
      next();
    }
  };
  cable = opened;
}

const heard = () => new Promise<void>((resolve) => (next = resolve));

async function pour(frames: number): Promise<void> {
  if (!cable) throw new Error('not plugged in');
  // Whole halves, so that the last one is answered as well.
  const whole = Math.ceil(frames / (window / 2)) * (window / 2);
  for (let sent = 0; sent < whole; sent++) {
    while (credit === 0) await heard();
    credit--;
    cable.send(frame(poured, 1514));
  }
  while (credit < window) await heard();
}

async function bounce(times: number): Promise<void> {
  for (let time = 0; time < times; time++) {
    const back = heard();
    cable?.send(frame(bounced, 60));
    await back;
  }
}

async function run(call: Call): Promise<unknown> {
  switch (call[0]) {
    case 'boot':
      unikernel = Unikernel.boot(call[1], call[2]);
      return undefined;
    case 'switch':
      lan = new Switch(call[1], call[2]);
      return call[3].forEach((port, index) => lan?.plug(index + 1, port));
    case 'listen':
      return booted().listen();
    case 'send':
      return booted().send(call[1], call[2]);
    case 'within':
      return booted().sendWithin(call[1]);
    case 'ping':
      return booted().ping(call[1]);
    case 'plug':
      return plug(call[1], call[2], call[3], call[4]);
    case 'pour':
      return pour(call[1]);
    case 'bounce':
      return bounce(call[1]);
  }
}

onmessage = async ({ data }: MessageEvent<Call>) => {
  try {
    postMessage({ value: await run(data) });
  } catch (error) {
    postMessage({ error: error instanceof Error ? error.message : String(error) });
  }
};
postMessage('ready');
