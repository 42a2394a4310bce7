// What other tabs, the browser and time do to a database: brought about on purpose.

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** Another tab that has the database open in a newer layout. Gives its handle. */
export async function openNewer(name) {
  const request = indexedDB.open(name, 99);
  request.onupgradeneeded = () => {
    if (!request.result.objectStoreNames.contains("values")) request.result.createObjectStore("values");
  };
  return done(request);
}

/** Another tab that deletes the database. */
export async function deleteDatabase(name) {
  await done(indexedDB.deleteDatabase(name));
}

/** A tab that holds the database and does not let go, while another wants to delete it: that waits for ever. */
export async function holdAgainstDeletion(name) {
  const db = await openNewer(name);
  indexedDB.deleteDatabase(name);
  return db;
}

export function close(db) {
  db.close();
}

/** Something that is no record of ours. */
export async function putForeign(name, key) {
  const db = await done(indexedDB.open(name));
  await done(db.transaction("values", "readwrite").objectStore("values").put("not a record", key));
  db.close();
}

/** Takes IndexedDB away, as a sandboxed frame does. Gives the way back. */
export function refuseIndexedDb() {
  const owner = Object.hasOwn(globalThis, "indexedDB") && Object.getOwnPropertyDescriptor(globalThis, "indexedDB");
  Object.defineProperty(globalThis, "indexedDB", {
    configurable: true,
    get() {
      throw new DOMException("The operation is insecure.", "SecurityError");
    },
  });
  return () => {
    delete globalThis.indexedDB;
    if (owner) Object.defineProperty(globalThis, "indexedDB", owner);
  };
}

/**
 * Makes puts fail as on a full disk: at once, or, as browsers mostly do, by a transaction that is aborted with that reason
 * instead of committed. Gives the way back.
 */
export function fillDisk(atOnce) {
  const { put } = IDBObjectStore.prototype;
  const { commit } = IDBTransaction.prototype;
  const full = () => new DOMException("The quota is used up.", "QuotaExceededError");
  IDBObjectStore.prototype.put = function (...args) {
    if (atOnce) throw full();
    Object.defineProperty(this.transaction, "error", { get: full, configurable: true });
    return put.apply(this, args);
  };
  IDBTransaction.prototype.commit = function () {
    if (Object.hasOwn(this, "error")) this.abort();
    else commit.apply(this);
  };
  return () => {
    IDBObjectStore.prototype.put = put;
    IDBTransaction.prototype.commit = commit;
  };
}

/** Sends what is no frame to a LAN: text, an object, nothing, too little and too much. */
export async function sendNonsense(channelName) {
  const channel = new BroadcastChannel(channelName);
  for (const nonsense of ["text", { a: 1 }, null, new Uint8Array(0), new Uint8Array(13), new Uint8Array(100_000)]) {
    channel.postMessage(nonsense);
  }
  channel.postMessage(new Uint8Array(60));
  await new Promise((resolve) => setTimeout(resolve, 50));
  channel.close();
}

/** Keeps a Web Lock, as a tab that hangs does. Resolves to what lets go of it. */
export function holdLock(name) {
  return new Promise((held) => {
    void navigator.locks.request(name, () => new Promise((release) => held(release)));
  });
}
