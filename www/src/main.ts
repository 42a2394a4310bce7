// The page is what dom0 is to Xen: it makes the domains, and shows them.
import { Announcer } from './announcer';
import { messageOf, part } from './dom';
import { AddressPlan } from './network/address-plan';
import { Switchboard } from './network/switchboard';
import { Toolstack } from './toolstack';

const toolstack = new Toolstack();
const switchboard = new Switchboard();
// The worker loads while this page loads the parts that draw it. The query is the unikernel's to judge.
toolstack.create(location.search.slice(1));

try {
  const [{ MirageNetwork, MirageNewDomain, Gateway, Hosts }, plan] = await Promise.all([import('./elements'), AddressPlan.claim()]);
  const hosts = new Hosts(plan, switchboard);
  const gateway = new Gateway(hosts);
  const domains = part(document, 'domains', HTMLElement);
  const announcer = new Announcer(part(document, 'announcements', HTMLElement));
  const form = part(document, 'new-domain', MirageNewDomain);

  const network = part(document, 'network', MirageNetwork);
  network.connect(toolstack, hosts, switchboard);

  toolstack.watch((domain) => {
    domain.switchboard = switchboard;
    domain.given = plan.argumentsFor(domain.args);
    announcer.follow(domain);
    const card = document.createElement('mirage-domain');
    card.domain = domain;
    card.gateway = gateway;
    card.addEventListener('remove', () => {
      toolstack.remove(domain);
      card.remove();
      form.focus();
    });
    domains.append(card);
    domain.boot();
  });
  form.toolstack = toolstack;
} catch (error) {
  const trouble = part(document, 'trouble', HTMLElement);
  trouble.textContent = `The page could not load platform-js: ${messageOf(error)}.`
    + ' Check that the browser runs WebAssembly and that every file of the page is served, then reload.';
  trouble.hidden = false;
}
