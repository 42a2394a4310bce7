// The contestants: our store as a unikernel sees it, IndexedDB by hand, and two packages that many pages use.
import { Unikernel } from 'bench-unikernel';
import { Dexie } from 'dexie';
import * as idbKeyval from 'idb-keyval';

/** Keys are numbered. Each call resolves when the last value of it is written, or read. */
export interface Contestant {
  name: string;
  /** New keys, one after the other, each awaited. */
  setEach(from: number, count: number, value: Uint8Array): Promise<void>;
  /** One key, again and again. */
  overwrite(number: number, count: number, value: Uint8Array): Promise<void>;
  /** One key, again and again; gives how many bytes came. */
  getEach(number: number, count: number): Promise<number>;
  /** New keys, all at once, by a writer each. */
  setAll(from: number, count: number, value: Uint8Array): Promise<void>;
}

const keyOf = (number: number) => `k${number}`;

/** A contestant that is written in JavaScript. */
function contestant(
  name: string,
  set: (key: string, value: Uint8Array) => PromiseLike<unknown>,
  get: (key: string) => PromiseLike<Uint8Array | undefined>,
): Contestant {
  return {
    name,
    async setEach(from, count, value) {
      for (let number = from; number < from + count; number++) await set(keyOf(number), value);
    },
    async overwrite(number, count, value) {
      for (let time = 0; time < count; time++) await set(keyOf(number), value);
    },
    async getEach(number, count) {
      let bytes = 0;
      for (let time = 0; time < count; time++) bytes += (await get(keyOf(number)))?.length ?? 0;
      return bytes;
    },
    async setAll(from, count, value) {
      await Promise.all(Array.from({ length: count }, (_, writer) => set(keyOf(from + writer), value)));
    },
  };
}

async function ours(): Promise<Contestant> {
  const unikernel = new Unikernel('bench-kv');
  const store = await unikernel.store();
  return {
    name: 'ours',
    setEach: (from, count, value) => store.setEach(from, count, value),
    overwrite: (number, count, value) => store.overwrite(number, count, value),
    getEach: (number, count) => store.getEach(number, count),
    setAll: (from, count, value) => store.setAll(from, count, value),
  };
}

function open(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore('values');
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Values into one transaction, awaited until it is complete. */
function put(db: IDBDatabase, durability: IDBTransactionDurability, entries: [string, Uint8Array][]): Promise<void> {
  return new Promise((resolve, reject) => {
    const transaction = db.transaction('values', 'readwrite', { durability });
    const values = transaction.objectStore('values');
    for (const [key, value] of entries) values.put(value, key);
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

function get<T = Uint8Array>(db: IDBDatabase, key: string): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const request = db.transaction('values', 'readonly').objectStore('values').get(key);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function raw(name: string, durability: IDBTransactionDurability): Promise<Contestant> {
  const db = await open(`bench ${name}`);
  return contestant(name, (key, value) => put(db, durability, [[key, value]]), (key) => get(db, key));
}

/**
 * By hand, but keeping the promises of our store: a write looks, in its own transaction, whether the key is as it was last seen here,
 * and whether a new key is not the beginning of others. What is left between this and ours is the way through WebAssembly.
 */
async function rawChecked(): Promise<Contestant> {
  const name = 'raw strict, with the checks';
  const db = await open(`bench ${name}`);
  const seen = new Map<string, number>();
  const set = (key: string, value: Uint8Array) =>
    new Promise<void>((resolve, reject) => {
      const transaction = db.transaction('values', 'readwrite', { durability: 'strict' });
      const values = transaction.objectStore('values');
      const version = Math.floor(Math.random() * 2 ** 53);
      const before = seen.get(key);
      if (before === undefined) {
        const within = values.getKey(IDBKeyRange.bound(`${key}/`, `${key}0`, false, true));
        within.onsuccess = () => within.result === undefined || transaction.abort();
      } else {
        const old = values.get(key);
        old.onsuccess = () => old.result?.version === before || transaction.abort();
      }
      values.put({ value, modified: Date.now(), version }, key);
      transaction.oncomplete = () => {
        seen.set(key, version);
        resolve();
      };
      transaction.onabort = () => reject(transaction.error ?? new Error(`${key} was changed by somebody else`));
    });
  return contestant(name, set, async (key) => {
    const record = await get<{ value: Uint8Array; version: number }>(db, key);
    if (record) seen.set(key, record.version);
    return record?.value;
  });
}

/** The most that can be had at once: a program that knows all its values beforehand puts them into one transaction. */
async function rawTogether(): Promise<Contestant> {
  const name = 'raw strict, one transaction';
  const base = await raw(name, 'strict');
  const db = await open(`bench ${name}`);
  return {
    ...base,
    setAll: (from, count, value) => put(db, 'strict', Array.from({ length: count }, (_, writer) => [keyOf(from + writer), value])),
  };
}

function keyval(): Contestant {
  const store = idbKeyval.createStore('bench idb-keyval', 'values');
  return contestant('idb-keyval', (key, value) => idbKeyval.set(key, value, store), (key) => idbKeyval.get<Uint8Array>(key, store));
}

function dexie(name: string, options: { chromeTransactionDurability?: 'strict' } = {}): Contestant {
  const db = new Dexie(`bench ${name}`, options);
  db.version(1).stores({ values: '' });
  const values = db.table<Uint8Array, string>('values');
  return contestant(name, (key, value) => values.put(value, key), (key) => values.get(key));
}

export const contestants = (): Promise<Contestant[]> =>
  Promise.all([
    ours(),
    raw('raw strict', 'strict'),
    rawChecked(),
    rawTogether(),
    raw('raw relaxed', 'relaxed'),
    keyval(),
    dexie('dexie'),
    dexie('dexie strict', { chromeTransactionDurability: 'strict' }),
  ]);
