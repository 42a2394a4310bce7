import type { Plugin } from 'vite';

/**
 * The pages carry a strict policy, and are built with it. The development server injects styles and talks over a socket:
 * it alone may, and only while it serves.
 */
export function allowDevelopment(): Plugin {
  return {
    name: 'content-security-policy',
    apply: 'serve',
    transformIndexHtml: (html) =>
      html.replace(/(<meta\s+http-equiv="Content-Security-Policy"\s+content=")([^"]*)"/i, (_, start: string, policy: string) => {
        return `${start}${relax(policy)}"`;
      }),
  };
}

function relax(policy: string): string {
  const directives = new Map(
    policy
      .split(';')
      .map((directive) => directive.trim().split(/\s+/))
      .filter(([name]) => name)
      .map(([name = '', ...sources]) => [name, sources]),
  );
  const fallback = directives.get('default-src') ?? ["'self'"];
  const allow = (name: string, source: string) => {
    const sources = (directives.get(name) ?? fallback).filter((value) => value !== "'none'" && value !== source);
    directives.set(name, [...sources, source]);
  };
  allow('style-src', "'unsafe-inline'");
  allow('connect-src', 'ws:');
  return [...directives].map(([name, sources]) => [name, ...sources].join(' ')).join('; ');
}
