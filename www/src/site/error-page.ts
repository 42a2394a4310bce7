/** What the site worker says itself: what happened, why, and what to do. */
export function errorPage(status: number, title: string, why: string, help: string[], headOnly: boolean): Response {
  const document = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>
:root { color-scheme: light dark; font: 1rem/1.6 system-ui, sans-serif; }
body { max-width: 38rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; line-height: 1.3; }
p, li { overflow-wrap: anywhere; }
</style>
<h1>${escape(title)}</h1>
<p>${escape(why)}</p>
<ul>${help.map((line) => `<li>${escape(line)}</li>`).join('')}</ul>
<p><small>${status}, from this browser’s site worker</small></p>
</html>
`;
  return new Response(headOnly ? null : document, {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox allow-same-origin",
      'cross-origin-embedder-policy': 'require-corp',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
    },
  });
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
