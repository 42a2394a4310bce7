import type { DomainState } from '../domain';

const SVG = 'http://www.w3.org/2000/svg';

/** One shape per state, so that colour is never the only sign. Drawn in a square of 16. */
const SHAPES: Record<DomainState, string> = {
  booting: 'M8 2.5a5.5 5.5 0 1 1-5.5 5.5',
  running: 'M5 3.2 12.5 8 5 12.8Z',
  paused: 'M5 3.5v9M11 3.5v9',
  stuck: 'M4.5 2.5h7M4.5 13.5h7M5 2.5 11 13.5M11 2.5 5 13.5',
  halted: 'M4 4h8v8H4Z',
  rebooting: 'M13 8a5 5 0 1 1-1.6-3.7M11.8 1.5v3.1H8.7',
  failed: 'M8 2 14.5 13.5H1.5ZM8 6.5v3M8 11.6v.1',
  crashed: 'M4 4l8 8M12 4l-8 8',
  destroyed: 'M3.5 8h9',
};

/** The picture of a state; the word beside it says the same. */
export function stateIcon(state: DomainState): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', SHAPES[state]);
  svg.append(path);
  return svg;
}
