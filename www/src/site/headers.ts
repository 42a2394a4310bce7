import type { HeaderPairs } from './protocol';

/** Where a document is: under the scope, its host and port, and its path there. */
export interface Place {
  scope: string;
  site: string;
  path: string;
}

/** What a unikernel may say of its answer. Others would speak for this origin, or are the connection's. */
const PASSED = [
  'accept-ranges',
  'allow',
  'content-disposition',
  'content-language',
  'content-length',
  'content-range',
  'content-type',
  'date',
  'etag',
  'last-modified',
  'retry-after',
  'server',
  'vary',
];

/** An answer's headers as the browser is to have them; or where it leads, if that is not on the network. */
export function forBrowser(place: Place, pairs: HeaderPairs): Headers | { elsewhere: string } {
  const headers = new Headers(ours(place.scope));
  for (const [name, value] of pairs) {
    if (PASSED.includes(name.toLowerCase())) headers.append(name, value);
    if (name.toLowerCase() !== 'location') continue;
    const to = URL.canParse(value, base(place)) ? new URL(value, base(place)) : undefined;
    if (to?.protocol !== 'http:') return { elsewhere: value };
    headers.set('location', `${place.scope}${to.host}${to.pathname}${to.search}${to.hash}`);
  }
  return headers;
}

const base = ({ site, path }: Place) => `http://${site}${path}`;

/**
 * A unikernel's document has the origin of the page, or else its requests would not come here. So it gets no script at all, in
 * three ways, and neither frames nor connections, and its forms stay among the sites.
 */
function ours(scope: string): Record<string, string> {
  const policy = [
    "default-src 'none'",
    "script-src 'none'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "media-src 'self' data:",
    `form-action ${scope}`,
    "base-uri 'none'",
    "frame-ancestors 'self'",
    'sandbox allow-same-origin allow-forms',
  ];
  return {
    'content-security-policy': policy.join('; '),
    // An isolated page shows only frames that are isolated as well.
    'cross-origin-embedder-policy': 'require-corp',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'same-origin',
    'cache-control': 'no-store',
  };
}
