// Just enough WebDriver to see the page in Firefox, which playwright-core does not drive as distributions ship it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { which } from '../../tasks/run.mjs';
import { find, geckodriver } from '../../tasks/tools.mjs';
import { freePort } from './project.mjs';

/** Why Firefox cannot be tested here, or false. */
export async function firefoxIsMissing() {
  if (!which('firefox') && !which('firefox-esr')) return 'Firefox is not installed';
  return (await find(geckodriver())) ? false : 'geckodriver is not installed';
}

export async function openFirefox() {
  const port = await freePort();
  const driver = spawn(`${await find(geckodriver())}/geckodriver`, ['--host', '127.0.0.1', '--port', String(port)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  // Its first line says that it listens.
  await once(driver.stdout, 'data');
  driver.stdout.resume();

  /** @param {string} method @param {string} path @param {unknown} [body] */
  async function call(method, path, body) {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { 'Content-Type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const { value } = /** @type {{ value: any }} */ (await response.json());
    if (!response.ok) throw new Error(`${method} ${path}: ${value.message}`);
    return value;
  }

  const options = { args: ['-headless'] };
  const { sessionId } = await call('POST', '/session', { capabilities: { alwaysMatch: { 'moz:firefoxOptions': options } } });
  const session = `/session/${sessionId}`;
  return {
    /** @param {string} url */
    goto: (url) => call('POST', `${session}/url`, { url }),
    /**
     * Waits until an element's text matches, and returns it.
     * @param {string} selector @param {RegExp} pattern @returns {Promise<string>}
     */
    text(selector, pattern) {
      const script = `
        const [selector, pattern, done] = arguments;
        const look = () => {
          const text = document.querySelector(selector)?.textContent ?? '';
          if (new RegExp(pattern, 'i').test(text)) done(text);
        };
        new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });
        look();`;
      return call('POST', `${session}/execute/async`, { script, args: [selector, pattern.source] });
    },
    /**
     * Waits until an expression has a value that counts as true, and returns it. Looks ten times a second, for what no event tells.
     * @param {string} expression @returns {Promise<any>}
     */
    until(expression) {
      const script = `
        const done = arguments[0];
        const look = () => {
          let value;
          try { value = ${expression}; } catch {}
          if (value) done(value); else setTimeout(look, 100);
        };
        look();`;
      return call('POST', `${session}/execute/async`, { script, args: [] });
    },
    async close() {
      await call('DELETE', session);
      driver.kill();
      await once(driver, 'exit');
    },
  };
}
