// The page is what dom0 is to Xen: it makes the domains, and shows them.
import { Announcer } from './announcer';
import { messageOf, part } from './dom';
import { Toolstack } from './toolstack';

const toolstack = new Toolstack();
// The worker loads while this page loads the parts that draw it. The query is the unikernel's to judge.
toolstack.create(location.search.slice(1));

try {
  const { MirageNewDomain } = await import('./elements');
  const domains = part(document, 'domains', HTMLElement);
  const announcer = new Announcer(part(document, 'announcements', HTMLElement));
  const form = part(document, 'new-domain', MirageNewDomain);

  toolstack.watch((domain) => {
    announcer.follow(domain);
    const card = document.createElement('mirage-domain');
    card.domain = domain;
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
