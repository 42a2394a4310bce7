import { kv } from './kv';
import { answer } from './realm';

answer(kv);
