import { messageOf } from '../dom';
import { DEFAULT_NET } from '../network/address-plan';
import type { Hosts } from '../network/hosts';
import type { FromSiteWorker, ToSiteWorker, Whose } from './protocol';
import { SITES } from './site-url';

/** A view of a site: on which network it is, and its host and port. */
export interface SiteView {
  readonly net: string;
  readonly site: string;
}

type Request = Extract<FromSiteWorker, { type: 'request' }>;

/** The page's end of the way from an iframe to a unikernel: what the site worker is asked, the page's host fetches. */
export class Gateway {
  readonly #hosts: Hosts;
  readonly #views = new Set<SiteView>();
  #ready: Promise<void> | undefined;

  constructor(hosts: Hosts) {
    this.#hosts = hosts;
  }

  /** Answers for `view` from now on. Waits until the site worker runs. */
  open(view: SiteView): Promise<void> {
    this.#views.add(view);
    this.#ready ??= this.#start();
    // The next who asks tries again.
    this.#ready.catch(() => (this.#ready = undefined));
    return this.#ready;
  }

  close(view: SiteView): void {
    this.#views.delete(view);
  }

  async #start(): Promise<void> {
    // Missing on an insecure origin, and in some private windows.
    if (!('serviceWorker' in navigator)) {
      throw new Error(
        isSecureContext
          ? 'This browser has no service workers here, which carry the site into the page. Private windows may forbid them.'
          : 'The page came over plain HTTP, where browsers allow no service worker, which carries the site into the page.'
            + ' Open it over HTTPS, or from localhost.',
      );
    }
    const { serviceWorker } = navigator;
    serviceWorker.addEventListener('message', this.#asked);
    serviceWorker.startMessages();
    try {
      // Its scope is the sites alone: it never stands between the page and the page's own files.
      const url = new URL('./site-worker.js', document.baseURI);
      await active(await serviceWorker.register(url, { scope: SITES.href, updateViaCache: 'none' }));
    } catch (error) {
      serviceWorker.removeEventListener('message', this.#asked);
      throw new Error(`The service worker that carries the site into the page could not start: ${messageOf(error)}`);
    }
  }

  readonly #asked = ({ data, ports: [port] }: MessageEvent<Whose>): void => {
    if (data.type !== 'whose' || port === undefined) return;
    const view = [...this.#views].find(({ site }) => data.sites.includes(site));
    const net = view?.net ?? DEFAULT_NET;
    port.onmessage = ({ data: request }: MessageEvent<FromSiteWorker>) => {
      if (request.type === 'request') void answer(port, request, this.#hosts, net);
    };
    say(port, { type: 'here', mine: view !== undefined });
  };
}

/** When the registration's worker is ready for requests. */
function active(registration: ServiceWorkerRegistration): Promise<void> {
  const worker = registration.installing ?? registration.waiting;
  if (registration.active || !worker) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const look = () => {
      if (worker.state === 'activated') resolve();
      else if (worker.state === 'redundant') reject(new Error('it was not installed'));
    };
    worker.addEventListener('statechange', look);
    look();
  });
}

function say(port: MessagePort, message: ToSiteWorker, transfer: Transferable[] = []): void {
  port.postMessage(message, transfer);
}

/** Fetches what is asked, and hands it on piece by piece as it is wanted. */
async function answer(port: MessagePort, request: Request, hosts: Hosts, net: string): Promise<void> {
  let reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;
  let unwanted = false;
  const next = async () => {
    const { done, value } = (await reader?.read()) ?? { done: true };
    if (done || !value) {
      say(port, { type: 'end' });
      port.close();
    } else {
      say(port, { type: 'chunk', bytes: value }, [value.buffer]);
    }
  };
  const fail = (error: unknown) => {
    const message = messageOf(error);
    // As the client of platform-js says it.
    say(port, { type: 'failed', message, late: /\bin time\b|timed out/.test(message) });
    port.close();
  };
  port.onmessage = ({ data }: MessageEvent<FromSiteWorker>) => {
    if (data.type === 'pull') {
      next().catch(fail);
    } else if (data.type === 'cancel') {
      unwanted = true;
      reader?.cancel().catch(() => {});
      port.close();
    }
  };
  try {
    const host = await hosts.on(net);
    const { url, method, headers, body } = request;
    const response = await host.fetch(url, { method, headers, body: body.byteLength > 0 ? body : null });
    reader = response.body?.getReader();
    if (unwanted) return void reader?.cancel().catch(() => {});
    const { status, statusText } = response;
    say(port, { type: 'head', status, statusText, headers: [...response.headers], body: reader !== undefined });
    if (reader === undefined) port.close();
  } catch (error) {
    fail(error);
  }
}
