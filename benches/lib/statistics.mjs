// What a series of measurements comes to: its middle, and how far it spreads.

/** The value that a part `q` of all lies below, between neighbours where need be. @param {number[]} values @param {number} q */
export function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * q;
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
}

/** @param {number[]} values */
export const median = (values) => quantile(values, 0.5);

/**
 * Two contestants that were measured in turn, round by round: the median of the rounds' ratios, and their quartiles. Within a round
 * the machine was about as busy for one as for the other, which is not so for the whole run.
 * @param {number[]} ours @param {number[]} peer
 */
export function compare(ours, peer) {
  const rounds = ours.map((value, round) => value / peer[round]);
  return { ratio: median(rounds), low: quantile(rounds, 0.25), high: quantile(rounds, 0.75) };
}

/** The median, and the middle half of all around it. @param {number[]} values @param {(value: number) => string} show */
export const withQuartiles = (values, show) =>
  `${show(median(values))} (${show(quantile(values, 0.25))} to ${show(quantile(values, 0.75))})`;
