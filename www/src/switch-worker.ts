// The page's switches: one for each LAN that is named.
import { Switch } from 'platform-js';
import type { FromSwitch, ToSwitch } from './network/switch-protocol';

const switches = new Map<string, Switch>();

function switchOf(net: string): Switch {
  let found = switches.get(net);
  if (found === undefined) {
    found = new Switch(net, true);
    switches.set(net, found);
  }
  return found;
}

function obey(message: ToSwitch): void {
  const lan = switchOf(message.net);
  switch (message.type) {
    case 'plug':
      return lan.plug(message.cable, message.port);
    case 'pull':
      return lan.pull(message.cable, message.out);
    case 'remove':
      return lan.remove(message.cable);
    case 'faults':
      return lan.setFaults(message.faults.loss, message.faults.delayMs, message.faults.rateMbps);
    case 'mirror':
      return lan.mirror(message.port);
    default:
      message satisfies never;
  }
}

const say = (message: FromSwitch) => postMessage(message);

onmessage = ({ data }: MessageEvent<ToSwitch>) => {
  try {
    obey(data);
  } catch (error) {
    say({ type: 'failed', why: error instanceof Error ? error.message : String(error) });
  }
};
say({ type: 'ready' });
