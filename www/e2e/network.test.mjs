// The network in the page: addresses, the web sites of unikernels, and the frames that carry them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { which } from '../../tasks/run.mjs';
import { domain, openBrowser, openPage } from './browser.mjs';
import { servePages } from './pages.mjs';

/** @type {Awaited<ReturnType<typeof servePages>>} */
let pages;
/** @type {import('playwright-core').Browser} */
let browser;
/** @type {Awaited<ReturnType<typeof openPage>>} */
let tab;
/** @type {import('playwright-core').Page} */
let page;

before(async () => {
  pages = await servePages();
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  await pages?.stop();
});

beforeEach(async () => {
  tab = await openPage(browser);
  page = tab.page;
  await page.goto(pages.address);
  await site('web-demo').address();
});

afterEach(() => tab.close());

/** A domain's web site, in its card. */
function site(/** @type {string} */ name, on = page) {
  const card = domain(on, name);
  const view = card.region.locator('mirage-site');
  const document = view.frameLocator('iframe');
  return {
    document,
    line: view.getByRole('textbox', { name: 'Address' }),
    trouble: view.getByRole('alert'),
    /** There once the domain has told its address. */
    summary: view.locator('summary'),
    /** What the console says that it is, once it does. */
    async address() {
      await card.says(/My web site is at/);
      const line = (await card.lines()).find((line) => line.startsWith('My web site')) ?? '';
      return /http:\/\/([\d.]+)\//.exec(line)?.[1] ?? '';
    },
    open: () => view.locator('summary').click(),
    press: (/** @type {string} */ button) => view.getByRole('button', { name: button, exact: true }).click(),
    async go(/** @type {string} */ address) {
      await this.line.fill(address);
      await this.line.press('Enter');
    },
    says: (/** @type {string | RegExp} */ text) => document.getByText(text).first().waitFor(),
    /** Waits until the address line has it. @param {string} address */
    isAt: (address) => on.waitForFunction(
      ([name, address]) => {
        const { document } = /** @type {any} */ (globalThis);
        return document.querySelector(`[aria-label="${name}"] mirage-site [data-part="address"]`)?.value === address;
      },
      [name, address],
    ),
  };
}

/** Playwright listens in every frame where clicks go, which the browser takes for script in a frame that may have none. */
const clicked = /Blocked script execution/;

async function newDomain() {
  await page.getByRole('button', { name: 'New domain' }).click();
  await page.getByRole('button', { name: 'Boot' }).click();
}

const network = () => page.locator('mirage-network');
const frames = () => network().getByRole('listbox', { name: 'Frames' });
const openNetwork = () => network().locator('summary').click();
/** A frame's row by its summary. */
const row = (/** @type {RegExp} */ summary) => frames().getByRole('option').filter({ hasText: summary }).first();
const counts = (/** @type {RegExp} */ text) => network().locator('.count').filter({ hasText: text }).waitFor();
const count = async () => Number.parseInt((await network().locator('.count').textContent()) ?? '', 10);

test('each domain gets an address of its own at once, which a reload keeps', async () => {
  await newDomain();
  const [first, second] = [await site('web-demo').address(), await site('web-demo-2').address()];
  assert.match(first, /^10\.0\.\d+\.2$/);
  assert.equal(second, first.replace(/2$/, '3'));
  await domain(page, 'web-demo').region.getByText(`ipv4=${first}/16`).waitFor();
  await page.reload();
  assert.equal(await site('web-demo').address(), first);
  // One that was given an address has no other.
  await page.goto(`${pages.address}?ipv4=10.0.77.7/16`);
  assert.equal(await site('web-demo').address(), '10.0.77.7');
  tab.assertQuiet();
});

test('a tab that is duplicated with all it remembers takes other addresses', async () => {
  const other = await page.context().newPage();
  const kept = await page.evaluate('sessionStorage.getItem("mirage-tab")');
  await other.addInitScript(`sessionStorage.getItem('mirage-tab') ?? sessionStorage.setItem('mirage-tab', '${kept}')`);
  await other.goto(pages.address);
  assert.notEqual(await site('web-demo', other).address(), await site('web-demo').address());
  tab.assertQuiet();
});

test('the page shows the web sites of two domains, with their links, images and answers', async () => {
  await newDomain();
  for (const name of ['web-demo', 'web-demo-2']) {
    const shown = site(name);
    const home = `http://${await shown.address()}/`;
    await shown.open();
    await shown.says('Hello from a unikernel');
    await shown.isAt(home);
    const image = shown.document.getByRole('img');
    assert.ok((await image.evaluate((/** @type {any} */ image) => image.naturalWidth)) > 0, 'the image is shown');
    const styled = (/** @type {any} */ body) => body.ownerDocument.styleSheets[0].cssRules.length;
    assert.ok((await shown.document.locator('body').evaluate(styled)) > 0, 'the style sheet is there');

    await shown.document.getByRole('link', { name: 'how it works' }).click();
    await shown.says('How it works');
    await shown.isAt(`${home}how.html`);
    await shown.press('Back');
    await shown.says('Hello from a unikernel');
    await shown.document.getByRole('link', { name: '/status' }).click();
    await shown.isAt(`${home}status`);
    const status = JSON.parse((await shown.document.locator('pre').textContent()) ?? '');
    assert.equal(`http://${status.address}/`, home);
    assert.equal(status.peer, home.replace(/^http:\/\/|\d+\/$/g, '') + '1');
  }
  tab.assertQuiet(clicked);
});

test('a tab reaches the domains of another tab', async () => {
  const other = await page.context().newPage();
  await other.goto(pages.address);
  const theirs = site('web-demo', other);
  await theirs.open();
  await theirs.says('Hello from a unikernel');
  const address = await site('web-demo').address();
  await theirs.go(`${address}/status`);
  await theirs.says(`"address": "${address}"`);
  tab.assertQuiet();
});

test('what cannot be reached is told, and what to do', async () => {
  const shown = site('web-demo');
  const address = await shown.address();
  await shown.open();
  await shown.says('Hello from a unikernel');
  await shown.go(`${address}:81`);
  await shown.says(`No answer from ${address}:81`);
  await shown.says(/list of domains/);
  await shown.go('https://10.0.0.2/');
  await shown.trouble.getByText(/no address of a web site/).waitFor();
  await shown.go('/');
  await shown.trouble.getByText(/no address of a web site/).waitFor();
  await shown.go(address);
  await shown.says('Hello from a unikernel');
  assert.equal(await shown.trouble.isVisible(), false);
  tab.assertQuiet(/status of 502/);
});

test('says so where there is no service worker', async () => {
  const bare = await page.context().newPage();
  await bare.addInitScript('delete Navigator.prototype.serviceWorker');
  await bare.goto(pages.address);
  await site('web-demo', bare).address();
  await site('web-demo', bare).open();
  await site('web-demo', bare).trouble.getByText(/service worker/).waitFor();
  tab.assertQuiet();
});

/**
 * Somebody else on the network with pages as bad as can be, played by the page: it answers the site worker before the page's own
 * gateway does.
 * @param {string} other
 */
function playForeign(other) {
  const { navigator, TextEncoder, setTimeout } = /** @type {any} */ (globalThis);
  const document = `<!doctype html><title>Foreign</title><script>document.title = 'script ran'</script>
    <img src="/x" onerror="document.title = 'handler ran'"><h1>Foreign</h1>
    <a href="/moved" target="_top">moved</a> <a href="http://${other}/status">neighbour</a> <a href="/away">away</a>
    <form method="post" action="/form"><input name="word" value="a b"><button>Send</button></form>`;
  const html = [['Content-Type', 'text/html'], ['Set-Cookie', 'a=b'], ['Content-Security-Policy', "script-src 'unsafe-inline'"]];
  const plain = [['Content-Type', 'text/plain']];
  const answer = (/** @type {any} */ { url, method, body, headers }) => {
    const { pathname } = new URL(url);
    const type = new Map(headers).get('content-type');
    if (pathname === '/') return { status: 200, headers: html, text: document };
    if (pathname === '/moved') return { status: 302, headers: [['Location', '/target?x=1']], text: '' };
    if (pathname === '/away') return { status: 302, headers: [['Location', 'https://example.org/']], text: '' };
    if (pathname === '/form') return { status: 200, headers: plain, text: `${method} ${type} ${new TextDecoder().decode(body)}` };
    return { status: 200, headers: plain, text: `${method} ${url}` };
  };
  navigator.serviceWorker.addEventListener('message', (/** @type {any} */ event) => {
    if (event.data.sites[0] !== '10.9.9.9') return;
    event.stopImmediatePropagation();
    const [port] = event.ports;
    let chunks = /** @type {string[]} */ ([]);
    port.onmessage = (/** @type {any} */ { data }) => {
      if (data.type === 'request') {
        const { status, headers, text } = answer(data);
        chunks = text.match(/[^]{1,40}/g) ?? [];
        port.postMessage({ type: 'head', status, statusText: '', headers, body: true });
      } else if (data.type === 'pull') {
        const chunk = chunks.shift();
        if (chunk === undefined) port.postMessage({ type: 'end' });
        else setTimeout(() => port.postMessage({ type: 'chunk', bytes: new TextEncoder().encode(chunk) }), 1);
      }
    };
    port.postMessage({ type: 'here', mine: true });
  });
  navigator.serviceWorker.startMessages();
}

test('a foreign document gets no script, and its links, forms and redirects stay on the network', async () => {
  const shown = site('web-demo');
  const own = await shown.address();
  await page.evaluate(playForeign, own);
  await shown.open();
  await shown.says('Hello from a unikernel');
  const home = async () => {
    await shown.go('10.9.9.9');
    await shown.document.getByRole('heading', { name: 'Foreign' }).waitFor();
    await shown.isAt('http://10.9.9.9/');
  };
  await home();
  assert.equal(await shown.document.locator('title').textContent(), 'Foreign');
  assert.equal(await page.evaluate('document.cookie'), '');
  await shown.document.getByRole('link', { name: 'moved' }).click();
  await shown.says('GET http://10.9.9.9/target?x=1');
  await shown.isAt('http://10.9.9.9/target?x=1');
  await home();
  await shown.document.getByRole('button', { name: 'Send' }).click();
  await shown.says('POST application/x-www-form-urlencoded word=a+b');
  await home();
  await shown.document.getByRole('link', { name: 'neighbour' }).click();
  await shown.says(`"address": "${own}"`);
  await home();
  await shown.document.getByRole('link', { name: 'away' }).click();
  await shown.says(/sends the browser to https:\/\/example\.org\//);
  // In a tab of its own it has no more rights, and any page carries it.
  const alone = await page.context().newPage();
  const answered = await alone.goto(`${pages.address}site/10.9.9.9`);
  assert.equal(alone.url(), `${pages.address}site/10.9.9.9/`);
  assert.match(answered?.headers()['content-security-policy'] ?? '', /script-src 'none'.*sandbox allow-same-origin allow-forms$/);
  assert.equal(await alone.locator('title').textContent(), 'Foreign');
  tab.assertQuiet(clicked, /Content Security Policy/, /status of 502/);
});

test('frames are listed, filtered, taken apart and saved', async (t) => {
  await openNetwork();
  await site('web-demo').open();
  await site('web-demo').says('Hello from a unikernel');
  await row(/TCP \d+ > 80 \[SYN\]/).waitFor();
  const address = await site('web-demo').address();
  const stations = network().getByRole('listitem');
  await stations.filter({ hasText: 'this page' }).waitFor();
  assert.match((await stations.first().getAttribute('aria-label')) ?? '', new RegExp(`^web-demo: ${address}, .*[1-9]\\d* frames sent`));

  const filter = network().getByRole('searchbox', { name: 'Filter' });
  const all = await count();
  await filter.fill('arp WHO-HAS');
  await counts(/^\d+ of/);
  assert.ok((await count()) < all);
  const summaries = await frames().getByRole('option').locator('.summary').allTextContents();
  for (const summary of summaries) assert.match(summary, /^ARP who-has/);
  await filter.fill('no such words');
  await network().getByText('No frame’s summary contains this text.').waitFor();
  await filter.fill('[psh ack]');

  // From here on by the keyboard alone.
  await filter.press('Tab');
  await frames().focus();
  await page.keyboard.press('Home');
  const selected = frames().getByRole('option', { selected: true });
  assert.match((await selected.textContent()) ?? '', /\[PSH ACK\]/);
  const tree = network().getByRole('tree');
  for (const layer of ['Ethernet', 'IPv4', 'TCP', 'Payload']) {
    await tree.getByRole('treeitem').filter({ hasText: layer }).first().waitFor();
  }
  await page.keyboard.press('Enter');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  assert.match((await tree.getByRole('treeitem', { selected: true }).textContent()) ?? '', /^destination port 80$/);
  const marked = network().locator('.bytes .marked');
  // Two bytes as numbers, and as characters.
  assert.equal((await marked.allTextContents()).join(' '), '00 50 · P');
  // The other way round: a byte's field.
  await network().locator('.bytes [data-offset="12"]').first().click();
  assert.match((await tree.getByRole('treeitem', { selected: true }).textContent()) ?? '', /^type .*IPv4/);
  await tree.getByRole('treeitem', { selected: true }).focus();
  await page.keyboard.press('Escape');
  const focused = (/** @type {any} */ box) => box === box.ownerDocument.activeElement;
  assert.equal(await frames().evaluate(focused), true);

  await network().getByRole('button', { name: 'Pause' }).click();
  await filter.fill('');
  await counts(/^\d+ (?!of).*paused/);
  const before = await count();
  await site('web-demo').press('Reload');
  await site('web-demo').says('Hello from a unikernel');
  assert.equal(await count(), before);

  const [download] = await Promise.all([
    page.waitForEvent('download'),
    network().getByRole('button', { name: 'Download pcapng' }).click(),
  ]);
  assert.equal(download.suggestedFilename(), 'lan-0.pcapng');
  const path = await download.path();
  assert.equal((await readFile(path)).subarray(0, 4).toString('hex'), '0a0d0d0a');
  if (which('tshark')) {
    const read = (/** @type {string[]} */ ...options) => spawnSync('tshark', ['-r', path, ...options], { encoding: 'utf8' });
    const { stdout, stderr } = read();
    assert.equal(stdout.trim().split('\n').length, before);
    // It warns everybody who runs it as root.
    assert.deepEqual(stderr.split('\n').filter((line) => line && !/user "root"/.test(line)), []);
    assert.equal(read('-Y', '_ws.malformed || _ws.expert.severity >= error').stdout, '');
  } else {
    t.diagnostic('tshark is not installed: it did not read the file');
  }

  await network().getByRole('button', { name: 'Clear' }).click();
  await counts(/^0 frames/);
  tab.assertQuiet();
});

test('the network and a web site are used from the keyboard alone', async () => {
  const keys = async (/** @type {string[]} */ ...names) => {
    for (const name of names) await page.keyboard.press(name);
  };
  const shown = site('web-demo');
  await network().locator('summary').focus();
  await keys('Enter');
  await shown.summary.waitFor();
  await shown.summary.focus();
  await keys('Enter');
  await shown.says('Hello from a unikernel');
  // Reload, as there is nothing yet to go back to; then the address.
  await keys('Tab', 'Tab', 'End');
  await page.keyboard.type('how.html');
  await keys('Enter');
  await shown.says('How it works');
  await keys('Shift+Tab', 'Shift+Tab', 'Enter');
  await shown.says('Hello from a unikernel');

  await network().locator('summary').focus();
  // Over the three sliders and their button.
  await keys('Tab', 'Tab', 'Tab', 'Tab', 'Tab');
  await page.keyboard.type('tcp');
  await counts(/^\d+ of/);
  // Follow, the three buttons, the list.
  await keys('Tab', 'Tab', 'Tab', 'Tab', 'Tab', 'End');
  const selected = frames().getByRole('option', { selected: true });
  await selected.filter({ hasText: 'TCP' }).waitFor();
  const last = await selected.textContent();
  await keys('ArrowUp');
  assert.notEqual(await selected.textContent(), last);
  await keys('Enter', 'ArrowDown');
  await network().getByRole('treeitem', { selected: true }).filter({ hasText: 'source port' }).waitFor();
  await keys('ArrowLeft', 'ArrowLeft');
  assert.equal(await network().getByRole('treeitem', { selected: true }).getAttribute('aria-expanded'), 'false');
  await keys('Escape');
  const focused = (/** @type {any} */ box) => box === box.ownerDocument.activeElement;
  assert.equal(await frames().evaluate(focused), true);
  tab.assertQuiet(clicked);
});

test('a domain whose cable is out is not reached, until it is plugged in again', async () => {
  const shown = site('web-demo');
  const card = domain(page, 'web-demo');
  const address = await shown.address();
  await card.region.getByText(/link up.*page’s switch through shared memory/).waitFor();
  await openNetwork();
  const station = network().getByRole('listitem').first();
  await card.press('Unplug');
  await card.region.getByText(/link down/).waitFor();
  assert.match((await station.getAttribute('aria-label')) ?? '', /^web-demo: .*, unplugged$/);
  await shown.open();
  await shown.says(new RegExp(`No answer from ${address}|${address} did not answer in time`));
  // The cable stays out over a reset, as it is not the domain's.
  await card.press('Reset');
  await card.says(/My web site is at/);
  await card.region.getByText(/link down/).waitFor();
  await card.press('Plug in');
  await card.region.getByText(/link up/).waitFor();
  assert.doesNotMatch((await station.getAttribute('aria-label')) ?? '', /unplugged/);
  await shown.press('Reload');
  await shown.says('Hello from a unikernel');
  tab.assertQuiet(/status of 50[24]/);
});

test('frames are lost, delayed and throttled as the sliders say', async () => {
  const shown = site('web-demo');
  await openNetwork();
  const slider = (/** @type {string} */ name) => network().getByRole('slider', { name, exact: true });
  const says = async (/** @type {string} */ name, /** @type {string} */ text) => {
    assert.equal(await slider(name).getAttribute('aria-valuetext'), text);
    await network().locator('.reading').getByText(text, { exact: true }).waitFor();
  };
  // By the keyboard, and as one drags.
  await slider('Loss').focus();
  await page.keyboard.press('End');
  await says('Loss', '100 %');
  await shown.open();
  await shown.says(/No answer from|did not answer in time/);
  await slider('Loss').focus();
  await page.keyboard.press('Home');
  await says('Loss', '0 %');
  // A neighbour that was silent is not asked again at once.
  const greeting = shown.document.getByText('Hello from a unikernel').first();
  for (let tries = 0; tries < 20 && !(await greeting.isVisible()); tries++) {
    await shown.press('Reload');
    await greeting.waitFor({ timeout: 1000 }).catch(() => {});
  }
  await greeting.waitFor();

  const visit = async (/** @type {string} */ page, /** @type {string} */ text) => {
    const start = Date.now();
    await shown.go(`${await shown.address()}${page}`);
    await shown.says(text);
    return Date.now() - start;
  };
  await slider('Delay').fill('300');
  await says('Delay', '300 ms');
  await network().locator('.faults-now').filter({ hasText: /^300 ms$/ }).waitFor();
  // A way there, and a way back.
  const took = await visit('/status', '"visits"');
  assert.ok(took >= 600, `${took} ms`);
  await network().getByRole('button', { name: 'None of these' }).click();
  await says('Delay', '0 ms');
  await slider('Rate').fill('10');
  await says('Rate', '0.1 Mbit/s');
  // The answer is a frame of a thousand bytes, at 12.5 kB a second.
  const slow = await visit('/how.html', 'How it works');
  assert.ok(slow >= 80, `${slow} ms`);
  await network().getByRole('button', { name: 'None of these' }).click();
  await says('Rate', 'no bound');
  tab.assertQuiet(clicked, /status of 50[24]/);
});

test('a flood of frames is bounded, counted, and leaves the page usable', async (t) => {
  await openNetwork();
  const sender = await page.context().newPage();
  await sender.goto(`${pages.address}embed.html?net=lan:9`);
  await page.evaluate(`
    globalThis.longest = 0;
    let last = performance.now();
    const look = (now) => { longest = Math.max(longest, now - last); last = now; requestAnimationFrame(look); };
    requestAnimationFrame(look);`);
  await page.bringToFront();
  const sent = 5000;
  await sender.evaluate(`
    const frame = new Uint8Array(1514);
    frame.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5]);
    const lan = new BroadcastChannel('v86-inbrowser-0');
    for (let count = 0; count < ${sent}; count++) lan.postMessage(frame);`);
  // Each is listed, or is no longer, or passed too fast to be: how many, depends on the machine.
  await page.waitForFunction((sent) => {
    const { document } = /** @type {any} */ (globalThis);
    const text = document.querySelector('mirage-network .count').textContent;
    const number = (/** @type {RegExp} */ pattern) => Number(pattern.exec(text)?.[1] ?? 0);
    return number(/^(\d+)/) + number(/oldest (\d+)/) + number(/(\d+) passed too fast/) >= sent;
  }, sent);
  assert.ok((await count()) <= 2000);
  assert.ok((await frames().getByRole('option').count()) < 60, 'only what is in view is drawn');
  t.diagnostic(`longest time without a frame on the screen: ${Math.round(Number(await page.evaluate('longest')))} ms`);
  tab.assertQuiet();
});

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  test(`nothing that axe knows is in a screen reader's way, ${colorScheme}`, async () => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await openNetwork();
    await site('web-demo').open();
    await site('web-demo').says('Hello from a unikernel');
    await row(/\[PSH ACK\]/).click();
    await network().getByRole('tree').waitFor();
    // Not as an element, which the page's policy forbids.
    const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    await page.evaluate(axe);
    const found = /** @type {{ id: string, nodes: { html: string }[] }[]} */ (
      await page.evaluate('axe.run({ iframes: false }).then((result) => result.violations)')
    );
    assert.deepEqual(found.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`), []);
  });
}

test('fits a phone without scrolling sideways', async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  await openNetwork();
  await site('web-demo').open();
  await site('web-demo').says('Hello from a unikernel');
  await row(/\[PSH ACK\]/).click();
  await network().getByRole('tree').waitFor();
  assert.equal(await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'), 0);
  tab.assertQuiet();
});
