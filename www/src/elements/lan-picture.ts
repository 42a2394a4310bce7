const SVG = 'http://www.w3.org/2000/svg';

/** What is drawn of a station. */
export interface PictureStation {
  /** Its name, or what it is. */
  name: string;
  kind: 'domain' | 'page' | 'other';
  mac: string;
  addresses: readonly string[];
  sent: number;
  received: number;
}

/** Measures in pixels, as the letters are. */
const BOX = { width: 196, height: 90, gap: 18, drop: 26 };
const LEFT = 18;
const LABEL = 90;
/** How long a station's cable stays lit after a frame. */
const LIT_MS = 350;

interface Drawn {
  group: SVGGElement;
  cable: SVGLineElement;
  box: SVGRectElement;
  lines: SVGTextElement[];
  frames: number;
  timer: number;
}

/** A LAN as a cable with a station on each tap, in as many rows as the width asks for. */
export class LanPicture {
  readonly #svg: SVGSVGElement;
  readonly #trunk: SVGPathElement;
  readonly #label: SVGTextElement;
  readonly #drawn = new Map<string, Drawn>();
  #stations: PictureStation[] = [];
  #placed = '';

  constructor(svg: SVGSVGElement) {
    this.#svg = svg;
    this.#trunk = make('path', 'trunk');
    this.#trunk.ariaHidden = 'true';
    this.#label = make('text', 'net');
    this.#label.ariaHidden = 'true';
    svg.append(this.#trunk, this.#label);
    new ResizeObserver(() => this.draw(this.#stations)).observe(svg);
  }

  /** Shows these, and lights the cables of those that sent or received since the last time. */
  draw(stations: PictureStation[], net = this.#label.textContent): void {
    this.#stations = stations;
    if (this.#label.textContent !== net) this.#label.textContent = net;
    for (const [mac, drawn] of this.#drawn) {
      if (stations.some((station) => station.mac === mac)) continue;
      drawn.group.remove();
      this.#drawn.delete(mac);
    }
    for (const station of stations) {
      let drawn = this.#drawn.get(station.mac);
      if (drawn === undefined) {
        drawn = newStation();
        this.#drawn.set(station.mac, drawn);
        this.#svg.append(drawn.group);
      }
      fill(drawn, station);
    }
    this.#place();
  }

  /** Puts all in their places, if there are others than before. */
  #place(): void {
    const width = Math.max(BOX.width + 2 * LEFT, this.#svg.clientWidth);
    const columns = Math.max(1, Math.floor((width - LEFT) / (BOX.width + BOX.gap)));
    const macs = this.#stations.map(({ mac }) => mac);
    const placed = `${width} ${macs.join()}`;
    if (placed === this.#placed) return;
    this.#placed = placed;
    const rows = Math.max(1, Math.ceil(macs.length / columns));
    const rowHeight = BOX.height + BOX.drop + BOX.gap + 4;
    const height = rows * rowHeight;
    this.#svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.#svg.setAttribute('height', String(height));
    const bus = (row: number) => row * rowHeight + 6;
    // The network's name stands at the end of the last row, if there is room.
    const last = LEFT + (macs.length - (rows - 1) * columns) * (BOX.width + BOX.gap);
    measure(this.#label, { x: width - 6, y: bus(rows - 1) + 22 });
    this.#label.style.display = width - last > LABEL ? '' : 'none';
    const lines = Array.from({ length: rows }, (_, row) => `M4 ${bus(row)}H${width - 4}`);
    this.#trunk.setAttribute('d', `${lines.join('')}M4 ${bus(0)}V${bus(rows - 1)}`);
    macs.forEach((mac, index) => {
      const [row, column] = [Math.floor(index / columns), index % columns];
      const group = this.#drawn.get(mac)?.group;
      group?.setAttribute('transform', `translate(${LEFT + column * (BOX.width + BOX.gap)} ${bus(row)})`);
      // Read and drawn in one order.
      if (group) this.#svg.append(group);
    });
  }
}

function newStation(): Drawn {
  const group = make('g', 'station');
  group.role = 'listitem';
  const cable = make('line', 'cable');
  measure(cable, { x1: BOX.width / 2, x2: BOX.width / 2, y1: 0, y2: BOX.drop });
  const box = make('rect', 'box');
  measure(box, { y: BOX.drop, width: BOX.width, height: BOX.height, rx: 8 });
  const lines = ['name', 'address', 'mac', 'frames'].map((name, index) => {
    const text = make('text', name);
    measure(text, { x: 12, y: BOX.drop + 21 + index * 19 });
    return text;
  });
  group.append(cable, box, ...lines);
  return { group, cable, box, lines, frames: 0, timer: 0 };
}

function fill(drawn: Drawn, station: PictureStation): void {
  const { name, kind, mac, addresses, sent, received } = station;
  // Boxes are narrow: the first address is drawn, and all are read.
  const shown = [name.length > 22 ? `${name.slice(0, 21)}…` : name, short(addresses), mac, `${sent} sent, ${received} received`];
  shown.forEach((text, index) => {
    const line = drawn.lines[index];
    if (line && line.textContent !== text) line.textContent = text;
  });
  drawn.group.dataset['kind'] = kind;
  const heard = addresses.join(', ') || 'no address heard';
  drawn.group.ariaLabel = `${name}: ${heard}, ${mac}, ${sent} frames sent, ${received} received`;
  const frames = sent + received;
  if (frames > drawn.frames) {
    drawn.group.classList.add('lit');
    clearTimeout(drawn.timer);
    drawn.timer = setTimeout(() => drawn.group.classList.remove('lit'), LIT_MS);
  }
  drawn.frames = frames;
}

function short(addresses: readonly string[]): string {
  const first = addresses.find((address) => address.includes('.')) ?? addresses[0];
  if (first === undefined) return 'no address heard';
  return first.length > 24 ? `${first.slice(0, 23)}…` : first;
}

function make<K extends keyof SVGElementTagNameMap>(tag: K, name: string): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag);
  element.setAttribute('class', name);
  return element;
}

function measure(element: SVGElement, measures: Record<string, number>): void {
  for (const [name, value] of Object.entries(measures)) element.setAttribute(name, String(value));
}
