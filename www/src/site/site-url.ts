// Addresses of the sites of unikernels, as the page's own: http://10.0.0.2/how.html is BASE/site/10.0.0.2/how.html.

/** Where all sites are, under the page's own folder. */
export const SITES = new URL('./site/', document.baseURI);

/** The page's address for what has this one on the network; nothing where that is no `http` address. */
export function toPage(address: string): string | undefined {
  const url = parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : `http://${address}`);
  if (url?.protocol !== 'http:' || url.username || url.password) return undefined;
  return `${SITES.href}${url.host}${url.pathname}${url.search}${url.hash}`;
}

/** The address on the network of what has this one in the page; nothing for what is no site. */
export function toNetwork(address: string): URL | undefined {
  return address.startsWith(SITES.href) ? parse(`http://${address.slice(SITES.href.length)}`) : undefined;
}

function parse(address: string): URL | undefined {
  return URL.canParse(address) ? new URL(address) : undefined;
}
