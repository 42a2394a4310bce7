import { timers } from './timers';
import { answer } from './realm';

answer(timers);
