/** Measurements by what was measured, then by who, one a round. */
export type Series = Record<string, Record<string, number[]>>;

export function note(series: Series, what: string, who: string, value: number): void {
  ((series[what] ??= {})[who] ??= []).push(value);
}

/** The contestants in an order of chance, another one each round: who goes when, and after whom, is nobody's advantage. */
export function shuffled<T>(contestants: readonly T[]): T[] {
  const places = contestants.map((contestant) => ({ contestant, place: Math.random() }));
  return places.sort((a, b) => a.place - b.place).map(({ contestant }) => contestant);
}

/** How long it took, in milliseconds. */
export async function time(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
