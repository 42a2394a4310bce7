import type { NetworkStats } from 'platform-js';
import type { Domain } from '../domain';
import { bytes, duration } from '../format';

/** How a domain's frames go. */
const WAYS: Record<NetworkStats['cable'], string> = {
  ring: 'to the page’s switch through shared memory',
  port: 'to the page’s switch by messages',
  broadcast: 'by BroadcastChannel',
  websocket: 'by WebSocket',
};

/** What a domain owns and has done, as the rows of a description list. */
export function factRows({ args, given, stats }: Domain): Array<[term: string, value: string]> {
  const rows: Array<[string, string]> = [['Arguments', args || 'none']];
  if (given !== '') rows.push(['From the page', given]);
  if (stats === undefined) return rows;
  const { writtenBytes, readBytes, droppedBytes } = stats.console;
  rows.push(
    ['First line after', stats.bootMs > 0 ? `${stats.bootMs.toFixed(stats.bootMs < 10 ? 1 : 0)} ms` : 'none yet'],
    ['Uptime', duration(stats.uptimeMs)],
    ['Memory', bytes(stats.memoryBytes)],
    ['Tasks', String(stats.tasks)],
    ['Console', withDropped(`${bytes(writtenBytes)} out, ${bytes(readBytes)} in`, droppedBytes, 'bytes')],
    ['Addresses', stats.addresses.join(', ') || 'none yet'],
    ...stats.networks.map((network): [string, string] => [`Network ${network.name}`, `${frames(network)}, ${WAYS[network.cable]}`]),
  );
  return rows;
}

/** Puts `rows` into `list` and touches only what changed, so that a reader's place and selection stay. */
export function showFacts(list: HTMLDListElement, rows: Array<[term: string, value: string]>): void {
  while (list.children.length > rows.length) list.lastElementChild?.remove();
  rows.forEach(([term, value], index) => {
    let row = list.children[index];
    if (row === undefined) {
      row = document.createElement('div');
      row.append(document.createElement('dt'), document.createElement('dd'));
      list.append(row);
    }
    setText(row.firstElementChild, term);
    setText(row.lastElementChild, value);
  });
}

function frames(network: NetworkStats): string {
  const text = `${network.rxFrames} frames in, ${network.txFrames} out`;
  const dropped = network.rxDropped + network.txDropped;
  return `${withDropped(text, dropped, 'frames')}, link ${network.link}, ${network.mac}`;
}

function withDropped(text: string, dropped: number, unit: string): string {
  return dropped > 0 ? `${text}, ${dropped} ${unit} dropped` : text;
}

function setText(element: Element | null | undefined, text: string): void {
  if (element && element.textContent !== text) element.textContent = text;
}
