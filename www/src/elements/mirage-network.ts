import { captureFile } from 'platform-js';
import { part } from '../dom';
import { DEFAULT_NET, lanNumber } from '../network/address-plan';
import { NO_FAULTS, type Switchboard } from '../network/switchboard';
import { FrameFilter } from '../network/frame-filter';
import { type Frame, FRAMES_MAX } from '../network/frame-log';
import type { Hosts } from '../network/hosts';
import { Sniffer } from '../network/sniffer';
import type { Toolstack } from '../toolstack';
import { FaultSliders, faultsText } from './fault-sliders';
import { FrameDetail } from './frame-detail';
import { FrameList } from './frame-list';
import { LanPicture, type PictureStation } from './lan-picture';

/** The network that domains are on: who is there, and every frame. Listens while it is open, and only then. */
export class MirageNetwork extends HTMLElement {
  #toolstack: Toolstack | undefined;
  #hosts: Hosts | undefined;
  #switchboard: Switchboard | undefined;
  readonly #sniffer = new Sniffer(() => this.#drawSoon());
  readonly #frames = new FrameFilter(this.#sniffer.log);
  #list: FrameList | undefined;
  #detail: FrameDetail | undefined;
  #picture: LanPicture | undefined;
  #sliders: FaultSliders | undefined;
  #drawing = 0;
  #paused = false;
  #startMs: number | undefined;

  connect(toolstack: Toolstack, hosts: Hosts, switchboard: Switchboard): void {
    this.#toolstack = toolstack;
    this.#hosts = hosts;
    this.#switchboard = switchboard;
    this.#sniffer.switchboard = switchboard;
    this.#sliders = new FaultSliders(part(this, 'faults', HTMLElement), switchboard, () => this.#drawSoon());
    this.#sliders.show(this.#net);
    switchboard.trouble = (why) => {
      const trouble = part(this, 'trouble', HTMLElement);
      setText(trouble, `The page’s switch has failed: ${why}. Domains of this page hear nothing more. Reload the page.`);
      trouble.hidden = false;
    };
    const box = part(this, 'frames', HTMLElement);
    this.#list = new FrameList(box, this.#frames, (frame) => this.#show(frame));
    this.#detail = new FrameDetail(part(this, 'layers', HTMLElement), part(this, 'bytes', HTMLElement));
    this.#picture = new LanPicture(part(this, 'picture', SVGSVGElement));
    setText(part(this, 'bound', HTMLElement), FRAMES_MAX.toLocaleString('en'));
    this.#wire(this.#list);
    toolstack.watch((domain) => {
      domain.watch({ state: () => this.#drawSoon(), stats: () => this.#drawSoon() });
      this.#drawSoon();
    });
  }

  get #open(): boolean {
    return part(this, 'details', HTMLDetailsElement).open;
  }
  get #net(): string {
    return part(this, 'which', HTMLSelectElement).value || DEFAULT_NET;
  }

  #wire(list: FrameList): void {
    const on = (name: string, act: () => void) => part(this, name, HTMLButtonElement).addEventListener('click', act);
    part(this, 'details', HTMLDetailsElement).addEventListener('toggle', () => this.#listen());
    part(this, 'which', HTMLSelectElement).addEventListener('change', () => {
      this.#clear();
      this.#listen();
      this.#sliders?.show(this.#net);
    });
    const filter = part(this, 'filter', HTMLInputElement);
    filter.addEventListener('input', () => {
      this.#frames.text = filter.value;
      this.#drawSoon();
    });
    on('pause', () => {
      this.#paused = !this.#paused;
      this.#listen();
    });
    on('clear', () => this.#clear());
    on('download', () => this.#download());
    const follow = part(this, 'follow', HTMLInputElement);
    follow.addEventListener('change', () => (list.follow = follow.checked));
    list.followChanged = (now) => (follow.checked = now);
    part(this, 'frames', HTMLElement).addEventListener('keydown', (event) => {
      if (event.key === 'Enter') this.querySelector<HTMLElement>('[role="treeitem"][tabindex="0"]')?.focus();
    });
    part(this, 'layers', HTMLElement).addEventListener('keydown', (event) => {
      if (event.key === 'Escape') part(this, 'frames', HTMLElement).focus();
    });
  }

  #listen(): void {
    if (this.#open && !this.#paused) this.#sniffer.listen(this.#net);
    else this.#sniffer.stop();
    part(this, 'pause', HTMLButtonElement).textContent = this.#paused ? 'Resume' : 'Pause';
    this.#drawSoon();
  }

  #clear(): void {
    this.#sniffer.clear();
    this.#frames.reset();
    this.#startMs = undefined;
    this.#list?.unselect();
    this.#drawSoon();
  }

  /** At most once a frame of the screen, however many frames of the network there were. */
  #drawSoon(): void {
    if (this.#open && this.#drawing === 0) this.#drawing = requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    this.#drawing = 0;
    if (!this.#open || !this.#list) return;
    const { log } = this.#sniffer;
    const gone = this.#frames.update();
    this.#startMs ??= log.at(log.first)?.timeMs;
    this.#list.startMs = this.#startMs ?? 0;
    this.#list.draw(gone);
    this.#showNets();
    this.#picture?.draw(this.#stations(), this.#net, faultsText(this.#switchboard?.faultsOf(this.#net) ?? NO_FAULTS));
    const count = this.#sniffer.log.size;
    const frames = `${count} ${count === 1 ? 'frame' : 'frames'}`;
    const shown = this.#frames.text === '' ? frames : `${this.#frames.length} of ${frames}`;
    const dropped = log.first > 0 ? `; the oldest ${log.first} are no longer kept` : '';
    const { leftOut } = this.#sniffer;
    const missed = leftOut > 0 ? `; ${leftOut} passed too fast to be listed` : '';
    const state = this.#paused ? '; paused' : '';
    setText(part(this, 'count', HTMLElement), shown + dropped + missed + state);
    part(this, 'download', HTMLButtonElement).disabled = count === 0;
    part(this, 'clear', HTMLButtonElement).disabled = count === 0;
    part(this, 'quiet', HTMLElement).hidden = this.#frames.length > 0;
    setText(part(this, 'quiet', HTMLElement), this.#quiet(count));
  }

  #quiet(count: number): string {
    if (count > 0) return 'No frame’s summary contains this text.';
    return this.#paused ? 'Paused.' : 'Nothing was heard yet. Open a domain’s web site: its frames appear here.';
  }

  /** The LANs of this browser that domains are on; a relay's frames do not pass the page. */
  #showNets(): void {
    const nets = new Set([DEFAULT_NET, this.#net]);
    for (const { net } of this.#toolstack?.all() ?? []) if (lanNumber(net) !== undefined) nets.add(net);
    const which = part(this, 'which', HTMLSelectElement);
    const wanted = [...nets].sort();
    if (Array.from(which.options, ({ value }) => value).join() !== wanted.join()) {
      const chosen = this.#net;
      which.replaceChildren(...wanted.map((net) => new Option(net, net, false, net === chosen)));
    }
    part(this, 'choose', HTMLElement).hidden = wanted.length < 2;
  }

  /** This tab's domains first, then the page's own host, then whoever else was heard. */
  #stations(): PictureStation[] {
    const net = this.#net;
    const known = new Set<string>();
    const shown: PictureStation[] = [];
    for (const domain of this.#toolstack?.all() ?? []) {
      const mac = domain.alive ? domain.stats?.networks.find(({ name }) => name === net)?.mac : undefined;
      if (mac === undefined) continue;
      known.add(mac);
      const { sent = 0, received = 0 } = this.#sniffer.stations.get(mac) ?? {};
      const addresses = (domain.stats?.addresses ?? []).map((address) => address.split('/')[0] ?? '');
      shown.push({ name: domain.name, kind: 'domain', mac, addresses, sent, received, unplugged: domain.pluggable && domain.unplugged });
    }
    const own = this.#hosts?.addressOn(net);
    const others = this.#sniffer.stations.all().filter(({ mac }) => !known.has(mac));
    const rank = ({ addresses }: { addresses: readonly string[] }) => (own !== undefined && addresses.includes(own) ? 0 : 1);
    for (const station of others.sort((a, b) => rank(a) - rank(b))) {
      const page = rank(station) === 0;
      shown.push({ ...station, name: page ? 'this page' : 'another station', kind: page ? 'page' : 'other', unplugged: false });
    }
    return shown;
  }

  #show(frame: Frame | undefined): void {
    part(this, 'detail', HTMLElement).hidden = frame === undefined;
    if (!frame) return;
    setText(part(this, 'detail-title', HTMLElement), `Frame ${frame.number + 1}, ${frame.bytes.length} bytes`);
    this.#detail?.show(frame.bytes);
  }

  #download(): void {
    const frames = [...this.#sniffer.log];
    const file = captureFile(this.#net, Float64Array.from(frames, ({ timeMs }) => timeMs), frames.map(({ bytes }) => bytes));
    const url = URL.createObjectURL(new Blob([file as Uint8Array<ArrayBuffer>], { type: 'application/x-pcapng' }));
    const link = document.createElement('a');
    link.href = url;
    link.download = `${this.#net.replace(':', '-')}.pcapng`;
    link.click();
    URL.revokeObjectURL(url);
  }
}

function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

