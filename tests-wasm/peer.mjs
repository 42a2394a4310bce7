// The other side of the network for the tests in browsers: the web server that the conformance suite for HTTP asks for, and a
// relay whose cables can be cut. Prints its address; ends with its standard input or by a signal.
//
// The relay: a WebSocket at /cable/KEY/left or /cable/KEY/right is an end of the cable KEY, and what comes in at one end goes
// out at the other. `GET /cable/KEY/cut` pulls the left end out until `mend`; `POST /cable/KEY/inject` sends its body to the
// left end, as text if the query is `?text`.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const PORT = Number(process.env.PORT ?? 0);
const open = { 'access-control-allow-origin': '*', 'access-control-expose-headers': '*', 'cross-origin-resource-policy': 'cross-origin' };
const preflight = { ...open, 'access-control-allow-methods': '*', 'access-control-allow-headers': '*' };

/** Bodies that wait for `/go/KEY`. @type {Map<string, () => void>} */
const slow = new Map();
/** Connections under way at `/endless/KEY` and `/hang/KEY`. @type {Map<string, number>} */
const underWay = new Map();

/** @param {import('node:http').IncomingMessage} request */
async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** @param {string} key @param {import('node:http').ServerResponse} response */
function countConnection(key, response) {
  underWay.set(key, (underWay.get(key) ?? 0) + 1);
  response.on('close', () => underWay.set(key, (underWay.get(key) ?? 1) - 1));
}

/**
 * Sends for as long as somebody takes it, and no faster than any browser can throw it away: WebKit takes what nobody reads into
 * the process of the page, which a flood keeps from everything else.
 * @param {import('node:http').ServerResponse} response
 */
function pour(response) {
  const chunk = Buffer.alloc(16_384, 'x');
  const more = () => {
    if (!response.destroyed) response.write(chunk, () => setTimeout(more, 5));
  };
  more();
}

/** @typedef {{ request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse, key: string, url: URL }} Call */

/** @type {Record<string, (call: Call) => unknown>} */
const answers = {
  /** A test says that it did not run: the harness shows nothing that a passing test prints. */
  async 'left-out'({ request, response }) {
    const what = (await bodyOf(request)).toString();
    console.log(`left out: ${what.replaceAll(/\s+/g, ' ').slice(0, 200)}`);
    response.writeHead(204, open).end();
  },
  hello({ request, response }) {
    response.writeHead(200, { ...open, 'content-type': 'text/plain', 'x-greeting': 'Hello There' });
    response.end(request.method === 'HEAD' ? undefined : 'hello, world\n');
  },
  missing: ({ response }) => response.writeHead(404, open).end('nothing here\n'),
  empty: ({ response }) => response.writeHead(204, open).end(),
  async echo({ request, response }) {
    const body = await bodyOf(request);
    const tests = Object.entries(request.headers).filter(([name]) => name.startsWith('x-test-')).sort();
    response.writeHead(200, open);
    response.write(`${request.method} ${request.url}\n${tests.map(([name, value]) => `${name}: ${value}\n`).join('')}\n`);
    response.end(body);
  },
  bytes: ({ response }) => response.writeHead(200, open).end(Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => i % 251))),
  slow({ response, key }) {
    response.writeHead(200, open).write('first\n');
    slow.set(key, () => response.end('second\n'));
  },
  go({ response, key }) {
    slow.get(key)?.();
    slow.delete(key);
    response.writeHead(204, open).end();
  },
  broken({ response }) {
    response.writeHead(200, { ...open, 'content-length': 20 });
    response.write('0123456789', () => response.destroy());
  },
  endless({ response, key }) {
    countConnection(key, response);
    response.writeHead(200, open);
    pour(response);
  },
  hang: ({ response, key }) => countConnection(key, response),
  open: ({ response, key }) => response.writeHead(200, open).end(String(underWay.get(key) ?? 0)),
  async cable({ request, response, key, url }) {
    const cable = cables.get(key);
    const order = url.pathname.split('/')[3];
    if (cable && order === 'cut') {
      cable.cut = true;
      cable.left?.terminate();
    } else if (cable && order === 'mend') {
      cable.cut = false;
    } else if (cable && order === 'inject') {
      const body = await bodyOf(request);
      cable.left?.send(body, { binary: url.search !== '?text' });
    }
    response.writeHead(cable ? 204 : 404, open).end();
  },
};

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://peer');
  const [, word = '', key = ''] = url.pathname.split('/');
  if (request.method === 'OPTIONS') return response.writeHead(204, preflight).end();
  const answer = answers[Object.keys(answers).find((name) => word.startsWith(name)) ?? ''];
  if (answer) return void answer({ request, response, key, url });
  return response.writeHead(404, open).end();
});

/** @type {Map<string, { left?: import('ws').WebSocket, right?: import('ws').WebSocket, cut: boolean }>} */
const cables = new Map();
const relay = new WebSocketServer({ noServer: true, maxPayload: 1_000_000 });

server.on('upgrade', (request, socket, head) => {
  const [, word, key = '', end = ''] = new URL(request.url ?? '/', 'http://peer').pathname.split('/');
  const cable = cables.get(key) ?? { cut: false };
  cables.set(key, cable);
  if (word !== 'cable' || (end !== 'left' && end !== 'right') || (end === 'left' && cable.cut)) return socket.destroy();
  return relay.handleUpgrade(request, socket, head, (client) => {
    cable[end] = client;
    client.on('message', (data, isBinary) => cable[end === 'left' ? 'right' : 'left']?.send(data, { binary: isBinary }));
    client.on('error', () => client.terminate());
  });
});

server.listen(PORT, '127.0.0.1', () => {
  const address = server.address();
  console.log(`http://127.0.0.1:${typeof address === 'object' && address ? address.port : PORT}`);
});
process.stdin.resume().on('end', () => process.exit());
