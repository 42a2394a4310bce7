// The elements, and platform-js with them: loaded apart from the first domain's worker, which so starts earlier.
import { MirageDomain } from './mirage-domain';
import { MirageNewDomain } from './mirage-new-domain';
import { MirageStore } from './mirage-store';

customElements.define('mirage-domain', MirageDomain);
customElements.define('mirage-new-domain', MirageNewDomain);
customElements.define('mirage-store', MirageStore);

declare global {
  interface HTMLElementTagNameMap {
    'mirage-domain': MirageDomain;
    'mirage-new-domain': MirageNewDomain;
    'mirage-store': MirageStore;
  }
}

export { MirageNewDomain };
