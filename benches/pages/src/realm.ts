// Runs a bench in the window or in a worker, as the page's query says, and puts what came of it into the page: any driver can read
// it there, and a person too.

/** The query of the page is what a bench can be told. */
export type Bench = (query: URLSearchParams) => Promise<unknown>;

export type Outcome = { result: unknown } | { error: string };

async function outcome(bench: Bench, query: string): Promise<Outcome> {
  try {
    return { result: await bench(new URLSearchParams(query)) };
  } catch (error) {
    return { error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  }
}

/** In the window. */
export async function show(bench: Bench, makeWorker: () => Worker): Promise<void> {
  const query = location.search.slice(1);
  const inWorker = new URLSearchParams(query).get('realm') === 'worker';
  const came = inWorker ? await ask(makeWorker(), query) : await outcome(bench, query);
  const output = document.querySelector('output');
  if (output) output.textContent = JSON.stringify(came);
}

function ask(worker: Worker, query: string): Promise<Outcome> {
  return new Promise((resolve) => {
    worker.onmessage = ({ data }: MessageEvent<Outcome | 'ready'>) => (data === 'ready' ? worker.postMessage(query) : resolve(data));
    worker.onerror = (event) => resolve({ error: event.message || 'the worker could not be loaded' });
  });
}

/** In the worker, which gets no message that comes before its modules are loaded. */
export function answer(bench: Bench): void {
  onmessage = async ({ data }: MessageEvent<string>) => postMessage(await outcome(bench, data));
  postMessage('ready');
}
