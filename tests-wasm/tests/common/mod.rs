//! What runs in window and worker alike, and the domain that the tests have in hand.

mod host;
mod life;
mod page;
mod stacks;
pub mod suites;
mod switch;
mod trouble;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use mirage_conformance::Verdict;
use mirage_sig::{Platform, Random, Runtime};
use platform_js::{App, Browser, Embedded};
use wasm_bindgen_futures::spawn_local;

/// Names every test of the list for the harness.
macro_rules! tests {
    ($($module:ident :: { $($test:ident),* $(,)? })*) => {
        $($(
            #[wasm_bindgen_test::wasm_bindgen_test]
            async fn $test() {
                $crate::common::in_time(stringify!($test), $module::$test()).await;
            }
        )*)*
    };
}

/// What no test takes. The harness only knows a limit for all of them together, and does not say which one never ended.
const LIMIT: Duration = Duration::from_secs(60);

async fn in_time(test: &str, work: impl Future<Output = ()>) {
    let ended = Domain::idle().platform().timeout(LIMIT, work).await;
    assert!(ended.is_ok(), "{test} had not ended after {LIMIT:?}");
}

tests! {
    suites::{
        clocks_and_sleep,
        randomness,
        tasks,
        console_of_the_page,
        store,
        store_of_two,
        network_of_tabs,
        network_of_a_relay,
        nonsense_from_a_relay,
        a_relay_that_is_gone,
        web_client,
        platform,
    }
    trouble::{
        store_refused,
        store_blocked,
        store_of_a_newer_version,
        store_deleted_under_us,
        store_that_another_does_not_let_go,
        writers_in_turn,
        store_full,
        store_with_foreign_content,
        many_writers_and_one_that_fails,
        nonsense_on_the_lan,
        networks_that_are_none,
    }
    life::{
        arguments_that_are_wrong,
        arguments_from_a_query,
        pause_and_resume,
        destroyed,
        shut_down,
        failed,
        logs,
    }
    page::{
        network_of_a_port,
        network_of_a_ring,
        nonsense_on_a_port,
        nonsense_in_a_ring,
        a_cable_that_ends,
    }
    switch::{
        a_switch_disturbs_frames,
        a_switch_pulls_cables,
        a_switch_mirrors_frames,
        a_switch_reaches_the_tabs,
        a_switch_outlives_a_domain_that_is_cut_off,
    }
    stacks::{
        stack_of_a_port,
        flows_of_a_port,
        listeners_of_a_port,
        udp_of_a_port,
        stack_of_a_ring,
        flows_of_a_ring,
        listeners_of_a_ring,
        udp_of_a_ring,
        stack_of_a_switch,
        flows_of_a_switch,
        listeners_of_a_switch,
        udp_of_a_switch,
        stack_of_tabs,
        flows_of_tabs,
        listeners_of_tabs,
        udp_of_tabs,
        stack_of_a_relay,
        flows_of_a_relay,
        listeners_of_a_relay,
        udp_of_a_relay,
        the_stack_of_a_platform,
    }
    host::{
        a_host_fetches_from_a_unikernel,
        a_host_talks_in_streams,
        a_host_that_cannot_be,
    }
}

/// A unikernel that waits until it is told to end.
pub const IDLE: App = App {
    name: "idle",
    args: &[],
    start: |p| {
        Box::pin(async move {
            p.shutdown_requested().await;
            Ok(())
        })
    },
};

/// A unikernel in the hands of a test, and what is on its screen.
pub struct Domain {
    pub embedded: Rc<Embedded>,
    pub screen: Rc<RefCell<String>>,
}

impl Domain {
    pub fn boot(app: App, args: &str) -> Self {
        let screen = Rc::<RefCell<String>>::default();
        let handle = Rc::<RefCell<Option<Rc<Embedded>>>>::default();
        let (shown, domain) = (screen.clone(), handle.clone());
        let embedded = Rc::new(Embedded::boot(app, args, move |text| {
            shown.borrow_mut().push_str(text);
            // Like a page, which is ready for more only later.
            let domain = domain.clone();
            spawn_local(async move {
                if let Some(domain) = domain.borrow().as_ref() {
                    domain.drained();
                }
            });
        }));
        handle.replace(Some(embedded.clone()));
        Self { embedded, screen }
    }

    /// One that does nothing, under a name that no other test uses.
    pub fn idle() -> Self {
        Self::boot(IDLE, &format!("name=test-{}", nonce()))
    }

    pub fn platform(&self) -> Browser {
        self.embedded.platform()
    }
}

/// A number that was not used before, here or in another tab.
pub fn nonce() -> u32 {
    let domain = Embedded::boot(IDLE, "", |_| ());
    let bytes = domain.platform().random();
    domain.destroy();
    u32::from_ne_bytes(bytes)
}

/// Ends a test with what a suite found.
pub fn holds(verdict: Verdict) {
    if let Err(violation) = verdict {
        // Not a panic: its message would go to the console of the domain that ran last.
        wasm_bindgen::throw_str(&violation.to_string());
    }
}
