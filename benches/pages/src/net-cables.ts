// Cables within a page by hand, as little as they can be: from one worker straight to the other. The bench lets 256 frames be
// under way, so neither needs a bound of its own.

/** A cable by hand: frames out, frames in. */
export interface Cable {
  send(frame: Uint8Array): void;
  receive: (frame: Uint8Array) => void;
}

/** Frames that go in one message. */
const BATCH = 64;
const SLOT = 1536;

/** A port: what is sent in one turn, up to 64 frames, is one buffer, which is handed over. */
export function byMessages(port: MessagePort): Cable {
  let waiting: Uint8Array[] = [];
  const flush = () => {
    if (waiting.length === 0) return;
    const batch = new Uint8Array(waiting.reduce((sum, frame) => sum + 2 + frame.length, 0));
    let at = 0;
    for (const frame of waiting) {
      batch[at] = frame.length & 0xff;
      batch[at + 1] = frame.length >> 8;
      batch.set(frame, at + 2);
      at += 2 + frame.length;
    }
    waiting = [];
    port.postMessage(batch.buffer, [batch.buffer]);
  };
  const cable: Cable = {
    send(frame) {
      waiting.push(frame);
      if (waiting.length === 1) queueMicrotask(flush);
      if (waiting.length === BATCH) flush();
    },
    receive: () => {},
  };
  port.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
    const batch = new Uint8Array(data);
    for (let at = 0; at < batch.length; ) {
      const end = at + 2 + ((batch[at] ?? 0) | ((batch[at + 1] ?? 0) << 8));
      cable.receive(batch.subarray(at + 2, end));
      at = end;
    }
  };
  return cable;
}

/** Memory for a ring: how many were written, whether the reader sleeps, then slots for frames. */
const SLOTS = 1024;
export const ringBytes = 8 + SLOTS * SLOT;

/** Two rings of slots, and a message for who sleeps. */
export function byRing(port: MessagePort, [out, into]: SharedArrayBuffer[]): Cable {
  if (!out || !into) throw new Error('two rings');
  const [outWords, outBytes] = [new Int32Array(out, 0, 2), new Uint8Array(out, 8)];
  const [inWords, inBytes] = [new Int32Array(into, 0, 2), new Uint8Array(into, 8)];
  let written = 0;
  let read = 0;
  const cable: Cable = {
    send(frame) {
      const at = (written % SLOTS) * SLOT;
      outBytes[at] = frame.length & 0xff;
      outBytes[at + 1] = frame.length >> 8;
      outBytes.set(frame, at + 2);
      Atomics.store(outWords, 0, ++written);
      if (Atomics.exchange(outWords, 1, 0) === 1) port.postMessage(null);
    },
    receive: () => {},
  };
  const look = () => {
    do {
      while (read !== Atomics.load(inWords, 0)) {
        const at = (read++ % SLOTS) * SLOT;
        cable.receive(inBytes.slice(at + 2, at + 2 + ((inBytes[at] ?? 0) | ((inBytes[at + 1] ?? 0) << 8))));
      }
      Atomics.store(inWords, 1, 1);
    } while (read !== Atomics.load(inWords, 0));
  };
  port.onmessage = look;
  look();
  return cable;
}
