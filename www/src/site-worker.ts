// The site worker: carries requests of documents under BASE/site/HOST/ to a page, whose host asks the unikernel. It keeps
// nothing, and sees no request of the page itself: its scope is BASE/site/.
import { errorPage } from './site/error-page';
import { forBrowser } from './site/headers';
import type { FromSiteWorker, ToSiteWorker, Whose } from './site/protocol';
import type { FetchEvent, WorkerScope } from './site/worker-scope';

const worker = self as unknown as WorkerScope;
const scope = worker.registration.scope;

/** A page that is there answers within milliseconds whether it is the one. */
const PATIENCE_MS = 3000;

worker.addEventListener('install', (event) => event.waitUntil(worker.skipWaiting()));
worker.addEventListener('activate', (event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener('fetch', (event) => {
  // What is elsewhere, the document's policy forbids.
  if (new URL(event.request.url).origin !== new URL(scope).origin) return;
  let close = () => {};
  // A worker lives while somebody waits: here until the last byte has gone.
  event.waitUntil(new Promise<void>((resolve) => (close = resolve)));
  const answered = answer(event, close);
  answered.catch(close);
  event.respondWith(answered);
});

async function answer(event: FetchEvent, close: () => void): Promise<Response> {
  const { request } = event;
  const page = (status: number, title: string, why: string, help: string[]) => {
    close();
    return errorPage(status, title, why, help, request.method === 'HEAD');
  };
  const from = siteOf((await worker.clients.get(event.clientId))?.url) ?? siteOf(request.referrer);
  const url = new URL(request.url);
  // Under the site's own address, or an absolute path of one of its documents.
  const named = siteOf(url.href);
  const site = named ?? from;
  const path = named === undefined ? url.pathname : url.pathname.slice(new URL(scope).pathname.length + named.length);
  if (site === undefined || !isHost(site)) {
    return page(400, 'No address', `After “site/” there has to be the address of a unikernel, not “${site ?? ''}”.`, [
      'Open the site from the page: each running domain shows its own.',
    ]);
  }
  if (path === '') {
    close();
    return Response.redirect(`${scope}${site}/${url.search}`, 307);
  }

  const port = await carrier(from === undefined || from === site ? [site] : [site, from]);
  if (port === undefined) {
    const why = 'A unikernel’s site reaches the browser through the page that runs unikernels, and none is open.';
    return page(504, 'No page is open', why, ['Open the page in another tab, then reload this one.']);
  }
  const content = await request.arrayBuffer();
  const message: FromSiteWorker = {
    type: 'request',
    url: `http://${site}${path}${url.search}`,
    method: request.method,
    headers: [...request.headers],
    body: content,
  };
  return new Promise((resolve) => {
    let body: Body | undefined;
    const fail = (why: string, late: boolean) => {
      if (body) body.fail(why);
      else resolve(late ? page(504, `${site} did not answer in time`, why, HELP) : page(502, `No answer from ${site}`, why, HELP));
    };
    // Browsers that tell of a port's end; the others have the worker's own.
    port.addEventListener('close', () => fail('The page that carried the answer was closed.', false));
    port.onmessage = ({ data }: MessageEvent<ToSiteWorker>) => {
      switch (data.type) {
        case 'head': {
          const { status, statusText } = data;
          const headers = forBrowser({ scope, site, path }, data.headers);
          if ('elsewhere' in headers) {
            tell(port, { type: 'cancel' });
            const why = `${site} sends the browser to ${headers.elsewhere}, which is not on this network.`;
            resolve(page(502, 'It leads elsewhere', why, ['Open that address in a tab of its own, if you trust it.']));
            return;
          }
          if (data.body) body = new Body(port, close);
          else close();
          resolve(new Response(body?.stream ?? null, { status, statusText, headers }));
          return;
        }
        case 'chunk':
          body?.push(data.bytes);
          return;
        case 'end':
          body?.end();
          return;
        case 'failed':
          fail(data.message, data.late);
          return;
        case 'here':
          return;
        default:
          data satisfies never;
      }
    };
    port.postMessage(message, [content]);
  });
}

const HELP = [
  'Look at the page’s list of domains: is the one with this address running? Resume it if it is paused, reset it if it is stuck.',
  'Has it a web site? Its console says so.',
  'Then reload.',
];

/** An answer's body, asked for piece by piece as the browser wants it. */
class Body {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #close: () => void;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  #pulled = () => {};

  constructor(port: MessagePort, close: () => void) {
    this.#close = close;
    this.stream = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => {
        tell(port, { type: 'pull' });
        return new Promise<void>((resolve) => (this.#pulled = resolve));
      },
      cancel: () => {
        tell(port, { type: 'cancel' });
        this.#finish(() => {});
      },
    });
  }

  push(bytes: Uint8Array<ArrayBuffer>): void {
    this.#controller?.enqueue(bytes);
    this.#pulled();
  }
  end(): void {
    this.#finish((controller) => controller.close());
  }
  fail(message: string): void {
    this.#finish((controller) => controller.error(new TypeError(message)));
  }

  /** Once: what comes after the end or after a `cancel` is for nobody. */
  #finish(act: (controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>) => void): void {
    if (this.#controller) act(this.#controller);
    this.#controller = undefined;
    this.#pulled();
    this.#close();
  }
}

function tell(port: MessagePort, message: FromSiteWorker): void {
  port.postMessage(message);
}

/** The host and port in an address under BASE/site/. */
function siteOf(address: string | undefined): string | undefined {
  return address?.startsWith(scope) ? /^[^/?#]+/.exec(address.slice(scope.length))?.[0] : undefined;
}

function isHost(site: string): boolean {
  return URL.canParse(`http://${site}/`) && new URL(`http://${site}/`).host === site;
}

/** The page that shows one of these sites, by a port to it; else any page, for a document in a tab of its own. */
async function carrier(sites: string[]): Promise<MessagePort | undefined> {
  const windows = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const pages = windows.filter(({ url }) => !url.startsWith(scope));
  const asked = pages.map((page): Promise<{ port: MessagePort; mine: boolean } | undefined> => {
    const { port1: port, port2 } = new MessageChannel();
    return new Promise((resolve) => {
      // A tab that the browser has frozen does not answer.
      const timer = setTimeout(() => resolve(undefined), PATIENCE_MS);
      port.onmessage = ({ data }: MessageEvent<ToSiteWorker>) => {
        clearTimeout(timer);
        resolve(data.type === 'here' ? { port, mine: data.mine } : undefined);
      };
      page.postMessage({ type: 'whose', sites } satisfies Whose, [port2]);
    });
  });
  const mine = asked.map(async (answer) => (await answer)?.mine ? answer : Promise.reject(new Error('not its own')));
  const found = await Promise.any(mine).catch(async () => (await Promise.all(asked)).find((answer) => answer !== undefined));
  // The others wait for a request that does not come.
  for (const answer of asked) void answer.then((other) => other !== found && other?.port.close());
  return found?.port;
}
