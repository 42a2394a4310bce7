// One domain: a worker holds one instance of the unikernel and answers the page's messages.
import { serve } from 'platform-js';

serve();
