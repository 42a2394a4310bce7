// The elements, and platform-js with them: loaded apart from the first domain's worker, which so starts earlier.
import { Hosts } from '../network/hosts';
import { Gateway } from '../site/gateway';
import { MirageDomain } from './mirage-domain';
import { MirageNetwork } from './mirage-network';
import { MirageNewDomain } from './mirage-new-domain';
import { MirageSite } from './mirage-site';
import { MirageStore } from './mirage-store';

customElements.define('mirage-domain', MirageDomain);
customElements.define('mirage-network', MirageNetwork);
customElements.define('mirage-new-domain', MirageNewDomain);
customElements.define('mirage-site', MirageSite);
customElements.define('mirage-store', MirageStore);

declare global {
  interface HTMLElementTagNameMap {
    'mirage-domain': MirageDomain;
    'mirage-network': MirageNetwork;
    'mirage-new-domain': MirageNewDomain;
    'mirage-site': MirageSite;
    'mirage-store': MirageStore;
  }
}

export { Gateway, Hosts, MirageNetwork, MirageNewDomain };
