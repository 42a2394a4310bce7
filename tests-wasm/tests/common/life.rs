//! A domain from boot to end.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use mirage_sig::{Cancelled, Failure, MonotonicClock, Platform, Shutdown, Sleep, Spawn};
use platform_js::App;

use super::{Domain, IDLE};

/// Lets everything that is ready have its turn.
async fn turn(domain: &Domain) {
    domain.platform().sleep(Duration::ZERO).await;
}

pub async fn arguments_that_are_wrong() {
    let domain = Domain::boot(IDLE, "?nme=x&ipv4=10.0.0.2&name=web");
    assert!(domain.embedded.has_ended(), "it must not start half-configured");
    let platform = Domain::idle();
    turn(&platform).await;
    let screen = domain.screen.borrow();
    assert!(screen.contains("\"nme\" is not known; did you mean \"name\"?"), "{screen}");
    assert!(screen.contains("such as 10.0.0.2/24"), "{screen}");
    assert_eq!(domain.platform().name(), "web", "who is refused is still called by its name");
}

pub async fn arguments_from_a_query() {
    let domain = Domain::boot(IDLE, "?name=a-b&net=ws%3A%2F%2F127.0.0.1%3A1%2Flan&logs=debug");
    let platform = domain.platform();
    assert_eq!(platform.name(), "a-b");
    assert_eq!(platform.args().text("net"), Some("ws://127.0.0.1:1/lan"));
    assert_eq!(Domain::boot(IDLE, "").platform().name(), "idle");
}

pub async fn pause_and_resume() {
    let domain = Domain::idle();
    let platform = domain.platform();
    let ticks = Rc::new(Cell::new(0));
    let (counted, ticking) = (ticks.clone(), platform.clone());
    let task = platform.spawn(async move {
        loop {
            ticking.sleep(Duration::from_millis(1)).await;
            counted.set(counted.get() + 1);
        }
    });
    while ticks.get() < 3 {
        platform.sleep(Duration::from_millis(1)).await;
    }
    domain.embedded.pause();
    let (held, before) = (ticks.get(), platform.now());
    platform.sleep(Duration::from_millis(20)).await;
    assert_eq!(ticks.get(), held, "none of its code runs");
    assert!(platform.now() - before >= Duration::from_millis(20), "time goes on");
    domain.embedded.resume();
    while ticks.get() == held {
        platform.sleep(Duration::from_millis(1)).await;
    }
    task.cancel();
}

/// Says when it is dropped.
struct Witness(Rc<Cell<bool>>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

pub async fn destroyed() {
    let domain = Domain::idle();
    let dropped = Rc::new(Cell::new(false));
    let witness = Witness(dropped.clone());
    let task = domain.platform().spawn(async move {
        std::future::pending::<()>().await;
        drop(witness);
    });
    turn(&domain).await;
    domain.embedded.destroy();
    assert!(dropped.get(), "its tasks are dropped where they wait");
    assert!(domain.embedded.has_ended());
    // Nothing that is asked for later runs.
    let late = domain.platform().spawn(async {});
    turn(&domain).await;
    assert_eq!((late.await, task.await), (Err(Cancelled), Err(Cancelled)));
}

pub async fn shut_down() {
    let domain = Domain::idle();
    turn(&domain).await;
    domain.embedded.request_shutdown(Shutdown::Reboot);
    assert_eq!(domain.platform().shutdown_requested().await, Shutdown::Reboot);
    // A later request does not change the first one.
    domain.embedded.request_shutdown(Shutdown::Poweroff);
    assert_eq!(domain.platform().shutdown_requested().await, Shutdown::Reboot);
    turn(&domain).await;
    assert!(domain.embedded.has_ended(), "its start has returned");
}

pub async fn failed() {
    const FAILING: App =
        App { name: "failing", args: &[], start: |_| Box::pin(async { Err(Failure::new("out of luck")) }) };
    let domain = Domain::boot(FAILING, "");
    let other = Domain::idle();
    turn(&other).await;
    assert!(domain.embedded.has_ended());
    assert!(domain.screen.borrow().contains("[error] out of luck\n"));
}

pub async fn logs() {
    const LOGGING: App = App {
        name: "logging",
        args: &[],
        start: |_| {
            Box::pin(async {
                log::info!(target: "disk", "seen");
                log::debug!(target: "net::arp", "seen too");
                log::debug!(target: "disk", "not seen");
                Ok(())
            })
        },
    };
    let domain = Domain::boot(LOGGING, "logs=*:info,net:debug");
    turn(&Domain::idle()).await;
    let screen = domain.screen.borrow();
    assert!(screen.contains("[info] disk: seen\n") && screen.contains("[debug] net::arp: seen too\n"), "{screen}");
    assert!(!screen.contains("not seen"), "{screen}");
}
