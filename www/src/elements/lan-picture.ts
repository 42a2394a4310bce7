const SVG = 'http://www.w3.org/2000/svg';

/** What is drawn of a station. */
export interface PictureStation {
  /** Its name, or what it is. */
  name: string;
  kind: 'domain' | 'page' | 'other';
  /** Its cable is out. */
  unplugged: boolean;
  mac: string;
  addresses: readonly string[];
  sent: number;
  received: number;
}

/** Measures in pixels, as the letters are. */
const BOX = { width: 196, height: 90, gap: 18, drop: 30 };
/** What fits into a box. */
const LETTERS = 22;
const LEFT = 18;
/** The switch, which is as wide as there is room. */
const SWITCH = { height: 30, edge: 2, pad: 14 };
/** How far a cable that is out still hangs down. */
const STUB = 9;
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

/** A LAN as a switch with a station on each of its cables, in as many rows as the width asks for. */
export class LanPicture {
  readonly #svg: SVGSVGElement;
  readonly #trunk = make('path', 'trunk');
  readonly #net = make('text', 'net');
  readonly #faults = make('text', 'faults-now');
  readonly #switch = make('rect', 'switch');
  readonly #drawn = new Map<string, Drawn>();
  #stations: PictureStation[] = [];
  #placed = '';

  constructor(svg: SVGSVGElement) {
    this.#svg = svg;
    measure(this.#switch, { x: SWITCH.edge, y: SWITCH.edge, height: SWITCH.height, rx: 6 });
    measure(this.#net, { x: SWITCH.pad, y: SWITCH.edge + 20 });
    measure(this.#faults, { y: SWITCH.edge + 20 });
    // The list is of stations; its name and the sliders tell the rest.
    for (const part of [this.#trunk, this.#switch, this.#net, this.#faults]) {
      part.ariaHidden = 'true';
      svg.append(part);
    }
    new ResizeObserver(() => this.#place()).observe(svg);
  }

  /** Shows these, and lights the cables of those that sent or received since the last time. */
  draw(stations: PictureStation[], net: string, faults: string): void {
    this.#stations = stations;
    setText(this.#net, `switch ${net}`);
    setText(this.#faults, faults);
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
    const top = SWITCH.edge + SWITCH.height;
    const height = top + rows * rowHeight - BOX.gap;
    this.#svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.#svg.setAttribute('height', String(height));
    this.#switch.setAttribute('width', String(width - 2 * SWITCH.edge));
    this.#faults.setAttribute('x', String(width - SWITCH.pad));
    const bus = (row: number) => top + row * rowHeight;
    // From the switch down to the rows below.
    const lines = Array.from({ length: rows - 1 }, (_, row) => `M5 ${bus(row + 1)}H${width - 5}`);
    this.#trunk.setAttribute('d', rows > 1 ? `${lines.join('')}M5 ${top}V${bus(rows - 1)}` : '');
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
  const { name, kind, mac, addresses, sent, received, unplugged } = station;
  // Boxes are narrow: the first address is drawn, and all are read.
  const counts = `${sent} sent, ${received} received`;
  const shown = [name.length > LETTERS ? `${name.slice(0, LETTERS - 1)}…` : name, short(addresses), mac, unplugged ? 'unplugged' : counts];
  shown.forEach((text, index) => {
    const line = drawn.lines[index];
    if (line) setText(line, text);
  });
  drawn.group.dataset['kind'] = kind;
  drawn.group.classList.toggle('out', unplugged);
  drawn.cable.setAttribute('y2', String(unplugged ? STUB : BOX.drop));
  const heard = addresses.join(', ') || 'no address heard';
  const out = unplugged ? ', unplugged' : '';
  drawn.group.ariaLabel = `${name}: ${heard}, ${mac}, ${sent} frames sent, ${received} received${out}`;
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
  return first.length > LETTERS ? `${first.slice(0, LETTERS - 1)}…` : first;
}

function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

function make<K extends keyof SVGElementTagNameMap>(tag: K, name: string): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag);
  element.setAttribute('class', name);
  return element;
}

function measure(element: SVGElement, measures: Record<string, number>): void {
  for (const [name, value] of Object.entries(measures)) element.setAttribute(name, String(value));
}
