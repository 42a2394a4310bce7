/** Somebody who sent a frame. */
export interface Station {
  readonly mac: string;
  /** IP addresses that it was heard to use, the newest last. */
  readonly addresses: readonly string[];
  /** Frames from it, and frames for it alone, since the page listens. */
  readonly sent: number;
  readonly received: number;
}

type Heard = { -readonly [Key in keyof Station]: Station[Key] } & { addresses: string[] };

/** Stations that are remembered; of more, the one that was silent longest goes. */
const STATIONS_MAX = 48;
/** Addresses that are remembered of one station: a router sends with everybody's. */
const ADDRESSES_MAX = 3;

/** Ethernet: where its fields are, and types of what it carries (IEEE 802.3 clause 3, RFC 826, RFC 791, RFC 8200). */
const SOURCE = 6;
const TYPE = 12;
const HEADER = 14;
const IPV4 = 0x0800;
const ARP = 0x0806;
const IPV6 = 0x86dd;

/** Who is on a network, as far as it can be heard. */
export class Stations {
  /** In the order of who spoke last. */
  readonly #heard = new Map<string, Heard>();

  /** Learns from a frame, as a switch does. */
  learn(frame: Uint8Array): void {
    if (frame.length < HEADER) return;
    const to = this.#heard.get(mac(frame, 0));
    if (to) to.received++;
    const from = mac(frame, SOURCE);
    const station = this.#heard.get(from) ?? { mac: from, addresses: [], sent: 0, received: 0 };
    station.sent++;
    const address = sender(frame);
    if (address !== undefined && !station.addresses.includes(address)) {
      station.addresses.push(address);
      if (station.addresses.length > ADDRESSES_MAX) station.addresses.shift();
    }
    this.#heard.delete(from);
    this.#heard.set(from, station);
    const [silent] = this.#heard.keys();
    if (this.#heard.size > STATIONS_MAX && silent !== undefined) this.#heard.delete(silent);
  }

  get(address: string): Station | undefined {
    return this.#heard.get(address);
  }

  /** By their Ethernet addresses, so that none changes its place. */
  all(): Station[] {
    return [...this.#heard.values()].sort((a, b) => (a.mac < b.mac ? -1 : 1));
  }

  clear(): void {
    this.#heard.clear();
  }
}

function mac(frame: Uint8Array, at: number): string {
  return Array.from(frame.subarray(at, at + 6), (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** The IP address that a frame's sender uses. */
function sender(frame: Uint8Array): string | undefined {
  switch (((frame[TYPE] ?? 0) << 8) | (frame[TYPE + 1] ?? 0)) {
    case ARP:
      return ipv4(frame.subarray(HEADER + 14, HEADER + 18));
    case IPV4:
      return ipv4(frame.subarray(HEADER + 12, HEADER + 16));
    case IPV6:
      return ipv6(frame.subarray(HEADER + 8, HEADER + 24));
    default:
      return undefined;
  }
}

/** Who has no address yet sends from nought. */
function ipv4(bytes: Uint8Array): string | undefined {
  return bytes.length === 4 && bytes.some((byte) => byte !== 0) ? bytes.join('.') : undefined;
}

function ipv6(bytes: Uint8Array): string | undefined {
  if (bytes.length !== 16 || bytes.every((byte) => byte === 0)) return undefined;
  const groups = Array.from({ length: 8 }, (_, at) => (((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)).toString(16));
  // The URL standard writes the short form.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
