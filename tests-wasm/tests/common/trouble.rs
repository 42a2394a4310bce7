//! Bad input, and what goes wrong from outside: each has an error of its own kind, whose text says what to do.

use js_sys::Function;
use mirage_conformance::poll::poll_once;
use mirage_sig::{Context, Failure, Key, KvError, KvErrorKind, KvRo, KvRw, Network, Platform};
use platform_js::{BROADCAST_PREFIX, KvFault};
use wasm_bindgen::prelude::*;

use super::Domain;

#[wasm_bindgen(module = "/tests/common/trouble.js")]
extern "C" {
    #[wasm_bindgen(js_name = openNewer)]
    async fn open_newer(name: &str) -> JsValue;
    #[wasm_bindgen(js_name = deleteDatabase)]
    async fn delete_database(name: &str);
    #[wasm_bindgen(js_name = holdAgainstDeletion)]
    async fn hold_against_deletion(name: &str) -> JsValue;
    fn close(db: &JsValue);
    #[wasm_bindgen(js_name = putForeign)]
    async fn put_foreign(name: &str, key: &str);
    #[wasm_bindgen(js_name = refuseIndexedDb)]
    fn refuse_indexed_db() -> Function;
    #[wasm_bindgen(js_name = holdLock)]
    async fn hold_lock(name: &str) -> JsValue;
    #[wasm_bindgen(js_name = fillDisk)]
    fn fill_disk(at_once: bool) -> Function;
    #[wasm_bindgen(js_name = sendNonsense)]
    async fn send_nonsense(channel: &str);
}

fn database(domain: &Domain) -> String {
    format!("mirage/{}/store", domain.platform().name())
}

#[track_caller]
fn kind_of<T>(result: Result<T, Failure>) -> (KvErrorKind, String) {
    let failure = result.err().expect("it failed");
    let fault = failure.cause().and_then(|cause| cause.downcast_ref::<KvFault>()).expect("a fault of the store");
    (fault.kind(), failure.to_string())
}

#[track_caller]
fn says(seen: (KvErrorKind, String), kind: KvErrorKind, words: &str) {
    assert_eq!(seen.0, kind, "{}", seen.1);
    assert!(seen.1.contains(words), "{:?} does not say {words:?}", seen.1);
}

pub async fn store_refused() {
    let domain = Domain::idle();
    let back = refuse_indexed_db();
    let opened = domain.platform().kv("store").await;
    back.call0(&JsValue::NULL).unwrap();
    says(kind_of(opened), KvErrorKind::Refused, "allow site data");
}

pub async fn store_blocked() {
    let domain = Domain::idle();
    let held = hold_against_deletion(&database(&domain)).await;
    says(kind_of(domain.platform().kv("store").await), KvErrorKind::Blocked, "close the other tabs");
    close(&held);
    // Who gave up has left nothing in the way, and the store can be had again.
    assert!(domain.platform().kv("store").await.is_ok());
}

pub async fn store_of_a_newer_version() {
    let domain = Domain::idle();
    close(&open_newer(&database(&domain)).await);
    says(kind_of(domain.platform().kv("store").await), KvErrorKind::Refused, "newer version");
}

pub async fn store_deleted_under_us() {
    let domain = Domain::idle();
    let store = domain.platform().kv("store").await.unwrap();
    let key = Key::new("a").unwrap();
    store.set(&key, b"1").await.unwrap();
    // It lets go, so that the other tab is not blocked; and it says so, rather than begin an empty store behind our back.
    delete_database(&database(&domain)).await;
    says(kind_of(store.get(&key).await.context("get")), KvErrorKind::Gone, "reload");
    says(kind_of(store.set(&key, b"2").await.context("set")), KvErrorKind::Gone, "reload");
    says(kind_of(store.remove(&key).await.context("remove")), KvErrorKind::Gone, "reload");
    let new = domain.platform().kv("store").await.unwrap();
    assert_eq!(new.exists(&key).await, Ok(None));
}

pub async fn store_that_another_does_not_let_go() {
    let domain = Domain::idle();
    let store = domain.platform().kv("store").await.unwrap();
    let key = Key::new("a").unwrap();
    let release: Function = hold_lock(&database(&domain)).await.unchecked_into();
    says(kind_of(store.set(&key, b"1").await.context("set")), KvErrorKind::Blocked, "does not let go");
    assert_eq!(store.exists(&key).await, Ok(None));
    // Who gave up is in nobody's way, and may write once the other is gone.
    release.call0(&JsValue::NULL).unwrap();
    store.set(&key, b"2").await.unwrap();
    assert_eq!(store.get(&key).await.unwrap(), b"2");
}

pub async fn writers_in_turn() {
    let domain = Domain::idle();
    let [one, other] = [domain.platform().kv("store").await.unwrap(), domain.platform().kv("store").await.unwrap()];
    let key = |name: &str| Key::new(name).unwrap();
    for round in 0..20_u8 {
        let (of_one, in_one) = (key("of one"), key(&format!("one/{round}")));
        let (of_other, in_other) = (key("of the other"), key(&format!("other/{round}")));
        let value = [round];
        let sets = vec![
            Box::pin(one.set(&of_one, &value)) as _,
            Box::pin(other.set(&of_other, &value)) as _,
            Box::pin(one.set(&in_one, &value)) as _,
            Box::pin(other.set(&in_other, &value)) as _,
        ];
        let results: Vec<Result<(), KvFault>> = mirage_conformance::poll::join_all(sets).await;
        assert_eq!(results, [Ok(()), Ok(()), Ok(()), Ok(())]);
    }
    assert_eq!(one.list(&key("other")).await.unwrap().len(), 20);
    // Each knows the keys that the other one made, and what it has seen is not what is there.
    assert_eq!(one.set(&key("other"), b"x").await.unwrap_err().kind(), KvErrorKind::ValueExpected);
    assert_eq!(one.set(&key("of the other/x"), b"x").await.unwrap_err().kind(), KvErrorKind::DictionaryExpected);
    assert_eq!(one.get(&key("of the other")).await.unwrap(), [19]);
    other.set(&key("of the other"), b"new").await.unwrap();
    assert_eq!(one.set(&key("of the other"), b"newer").await.unwrap_err().kind(), KvErrorKind::Conflict);
    assert_eq!(one.get(&key("of the other")).await.unwrap(), b"new");
    one.set(&key("of the other"), b"newer").await.unwrap();
    // One that is gone holds up nobody.
    one.remove(&key("one")).await.unwrap();
    drop(one);
    other.set(&key("one"), b"x").await.unwrap();
    other.rename(&key("other"), &key("others")).await.unwrap();
    other.set(&key("other"), b"x").await.unwrap();
    assert_eq!(other.set(&key("others"), b"x").await.unwrap_err().kind(), KvErrorKind::ValueExpected);
}

pub async fn store_full() {
    for at_once in [true, false] {
        store_full_as(at_once).await;
    }
}

async fn store_full_as(at_once: bool) {
    let domain = Domain::idle();
    let store = domain.platform().kv("store").await.unwrap();
    let (old, new) = (Key::new("old").unwrap(), Key::new("new").unwrap());
    store.set(&old, b"kept").await.unwrap();
    let back = fill_disk(at_once);
    let one = store.set(&old, b"lost").await;
    let many = futures_of_sets(&store, 10).await;
    let batch = store.batch(&[mirage_sig::Change::Set(&new, b"1"), mirage_sig::Change::Remove(&old)]).await;
    back.call0(&JsValue::NULL).unwrap();
    says(kind_of(one.context("set")), KvErrorKind::NoSpace, "free disk space");
    assert!(many.into_iter().all(|result| result.is_err_and(|fault| fault.kind() == KvErrorKind::NoSpace)));
    assert_eq!(batch.unwrap_err().kind(), KvErrorKind::NoSpace);
    // Nothing half-written, nothing lost that was promised; and no version of a write that did not happen was noted.
    assert_eq!(store.get(&old).await.unwrap(), b"kept");
    assert_eq!(store.list(&Key::ROOT).await.unwrap().len(), 1);
    store.set(&old, b"again").await.unwrap();
}

async fn futures_of_sets(store: &platform_js::IndexedDb, count: usize) -> Vec<Result<(), KvFault>> {
    let keys: Vec<Key> = (0..count).map(|number| Key::new(&format!("k{number}")).unwrap()).collect();
    let sets = keys.iter().map(|key| Box::pin(store.set(key, b"x")) as _).collect();
    mirage_conformance::poll::join_all(sets).await
}

pub async fn store_with_foreign_content() {
    let domain = Domain::idle();
    let store = domain.platform().kv("store").await.unwrap();
    put_foreign(&database(&domain), "a").await;
    put_foreign(&database(&domain), "b/../c").await;
    says(kind_of(store.get(&Key::new("a").unwrap()).await.context("get")), KvErrorKind::Corrupt, "clear");
    says(kind_of(store.list(&Key::ROOT).await.context("list")), KvErrorKind::Corrupt, "clear");
    // The remedy works.
    store.remove(&Key::ROOT).await.unwrap();
    assert_eq!(store.list(&Key::ROOT).await.unwrap(), []);
}

pub async fn many_writers_and_one_that_fails() {
    let domain = Domain::idle();
    let store = domain.platform().kv("store").await.unwrap();
    store.set(&Key::new("value").unwrap(), b"x").await.unwrap();
    // A write that is refused is alone with its error, whoever shared its transaction.
    let (inside, beside) = (Key::new("value/inside").unwrap(), Key::new("beside").unwrap());
    let sets = vec![Box::pin(store.set(&inside, b"1")) as _, Box::pin(store.set(&beside, b"2")) as _];
    let results: Vec<Result<(), KvFault>> = mirage_conformance::poll::join_all(sets).await;
    let [refused, done] = &results[..] else { panic!("two results") };
    assert_eq!(refused.as_ref().unwrap_err().kind(), KvErrorKind::DictionaryExpected);
    assert_eq!(done, &Ok(()));
    assert_eq!(store.get(&beside).await.unwrap(), b"2");
}

pub async fn nonsense_on_the_lan() {
    let domain = Domain::idle();
    let number = super::nonce() as u16;
    let interface = domain.platform().network(&format!("lan:{number}")).await.unwrap();
    send_nonsense(&format!("{BROADCAST_PREFIX}{number}")).await;
    let stats = interface.stats();
    assert_eq!((stats.rx_dropped, stats.rx_frames), (6, 1));
    assert_eq!(domain.screen.borrow().matches("Dropped and counted").count(), 1, "logged once");
    assert!(poll_once(interface.readable()).await.is_some());
    assert_eq!(interface.try_receive(|frame| frame.len()), Some(60));
}

pub async fn networks_that_are_none() {
    let domain = Domain::idle();
    for name in ["lan:", "lan:65536", "tap0", "ws:", "http://127.0.0.1/"] {
        let failure = domain.platform().network(name).await.err().expect(name).to_string();
        assert!(failure.contains(name), "{failure}");
    }
}
