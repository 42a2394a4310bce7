//! A domain: one unikernel that runs, its tasks, and what the page knows of it.
//!
//! All of a unikernel's code runs inside its tasks, and every poll of a task passes [`Gate`]. So to pause a domain is to hold
//! the gate, as a hypervisor holds a virtual CPU; to end it is to drop its tasks.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use mirage_sig::{Arg, Args, Failure, LogFilter, Shutdown, Stack};
use mirage_tcpip::Tcpip;
use wasm_bindgen_futures::spawn_local;
use web_sys::MessagePort;

use crate::console::Terminal;
use crate::messages::{NetworkReport, State, Stats, Status};
use crate::network::Meter;
use crate::platform::Browser;
use crate::{args, clock, log, panic};

/// An application, ready to be linked: see [`unikernel!`](crate::unikernel).
#[derive(Clone, Copy)]
pub struct App {
    /// The name of a domain that is given none.
    pub name: &'static str,
    /// The arguments it takes beside the standard ones.
    pub args: &'static [Arg],
    /// Starts it.
    pub start: fn(Browser) -> LocalFuture<Result<(), Failure>>,
}

pub(crate) type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// Tells the page that the state has changed.
pub(crate) type Notify = Box<dyn Fn(&Status)>;

pub(crate) struct Domain {
    pub name: String,
    pub args: Args,
    pub logs: LogFilter,
    pub terminal: Terminal,
    status: RefCell<Status>,
    notify: Notify,
    booted_ms: f64,
    tasks: RefCell<Vec<Rc<Slot>>>,
    shutdown: Cell<Option<Shutdown>>,
    shutdown_waiters: RefCell<Vec<Waker>>,
    meters: RefCell<Vec<Weak<Meter>>>,
    /// The page's end of what the argument `net` names, until it is plugged in.
    cable: RefCell<Option<MessagePort>>,
    stores: RefCell<Vec<String>>,
    /// Kept as long as there are tasks, which it has some of.
    stack: RefCell<Option<Tcpip>>,
}

/// A task's place, so that it can be dropped from outside.
struct Slot {
    /// Where it is among the domain's tasks.
    at: Cell<usize>,
    task: RefCell<Option<LocalFuture<()>>>,
    /// Whom to wake when the domain goes on, if the task was woken while it was paused.
    held: RefCell<Option<Waker>>,
}

thread_local! {
    /// The domain whose task or event handler runs, or ran last: whom a panic or a log message belongs to.
    static CURRENT: RefCell<Option<Rc<Domain>>> = const { RefCell::new(None) };
}

impl Domain {
    /// Boots `app` with arguments in the URL query's spelling, and a cable to the page's switch if there is one. Whatever
    /// happens is told through `notify` and the terminal.
    pub fn boot(app: App, query: &str, cable: Option<MessagePort>, terminal: Terminal, notify: Notify) -> Rc<Self> {
        let booted_ms = clock::milliseconds();
        panic::install();
        let checked = args::check(query, app.args);
        let (args, errors) = match checked {
            Ok(args) => (args, Vec::new()),
            Err(errors) => (args::name_alone(query), errors),
        };
        let name = args.text("name").unwrap_or(app.name).to_owned();
        let logs = args.text("logs").and_then(LogFilter::parse).unwrap_or_default();
        log::install(&logs);
        let domain = Rc::new(Self {
            status: RefCell::new(Status::new(&name)),
            name,
            args,
            logs,
            terminal,
            notify,
            booted_ms,
            tasks: RefCell::default(),
            shutdown: Cell::new(None),
            shutdown_waiters: RefCell::default(),
            meters: RefCell::default(),
            cable: RefCell::new(cable),
            stores: RefCell::default(),
            stack: RefCell::default(),
        });
        domain.make_current();
        if errors.is_empty() {
            domain.set_state(State::Running);
            let platform = Browser::new(domain.clone());
            let (weak, start) = (Rc::downgrade(&domain), app.start);
            domain.spawn(Box::pin(async move {
                let result = start(platform).await;
                if let Some(domain) = weak.upgrade() {
                    domain.ended(result);
                }
            }));
        } else {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            for line in &lines {
                domain.terminal.write(format!("[error] {line}\n").as_bytes());
            }
            domain.terminal.write(b"Not started. Mend the address of this page, or boot again with other arguments.\n");
            domain.fail(State::Failed, lines.join("\n"));
        }
        domain
    }

    /// The domain whose task runs, or ran last.
    pub fn current() -> Option<Rc<Self>> {
        CURRENT.with(|current| current.try_borrow().ok().and_then(|current| current.clone()))
    }

    /// From now on a panic or a log message is this domain's.
    pub fn make_current(self: &Rc<Self>) {
        CURRENT.with(|current| {
            if let Ok(mut current) = current.try_borrow_mut() {
                *current = Some(self.clone());
            }
        });
    }

    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    pub fn state(&self) -> State {
        self.status.borrow().state
    }

    fn set_state(&self, state: State) {
        self.status.borrow_mut().state = state;
        (self.notify)(&self.status());
    }

    /// The end by an error.
    fn fail(&self, state: State, message: String) {
        self.status.borrow_mut().message = Some(message);
        self.set_state(state);
        self.drop_tasks();
    }

    fn ended(&self, result: Result<(), Failure>) {
        match result {
            Ok(()) if self.shutdown.get() == Some(Shutdown::Reboot) => self.set_state(State::Rebooting),
            Ok(()) => self.set_state(State::Halted),
            Err(failure) => {
                self.terminal.write(format!("[error] {failure}\n").as_bytes());
                return self.fail(State::Failed, failure.to_string());
            }
        }
        self.drop_tasks();
    }

    /// The end by a panic. Nothing of the unikernel may run after it, not even destructors: its memory is as the panic
    /// left it.
    pub fn crashed(&self, message: String, location: String, stack: String) {
        if let Ok(mut status) = self.status.try_borrow_mut() {
            *status = Status {
                state: State::Crashed,
                name: self.name.clone(),
                message: Some(message),
                location: Some(location),
                stack: Some(stack),
            };
        }
        if let Ok(status) = self.status.try_borrow() {
            (self.notify)(&status);
        }
    }

    /// The end from outside.
    pub fn destroy(&self) {
        if !self.state().has_ended() {
            self.set_state(State::Halted);
        }
        self.drop_tasks();
    }

    pub fn pause(&self) {
        if self.state() == State::Running {
            self.set_state(State::Paused);
        }
    }

    pub fn resume(&self) {
        if self.state() == State::Paused {
            self.set_state(State::Running);
            let held: Vec<Waker> = self.tasks.borrow().iter().filter_map(|slot| slot.held.take()).collect();
            held.into_iter().for_each(Waker::wake);
        }
    }

    pub fn request_shutdown(&self, kind: Shutdown) {
        if self.shutdown.get().is_none() {
            self.shutdown.set(Some(kind));
        }
        let waiters = self.shutdown_waiters.take();
        waiters.into_iter().for_each(Waker::wake);
    }

    pub async fn shutdown_requested(&self) -> Shutdown {
        poll_fn(|cx| {
            if let Some(kind) = self.shutdown.get() {
                return Poll::Ready(kind);
            }
            let mut waiters = self.shutdown_waiters.borrow_mut();
            if !waiters.iter().any(|waiter| waiter.will_wake(cx.waker())) {
                waiters.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    pub fn spawn(self: &Rc<Self>, task: LocalFuture<()>) {
        if self.state().has_ended() {
            return;
        }
        let mut tasks = self.tasks.borrow_mut();
        let at = Cell::new(tasks.len());
        let slot = Rc::new(Slot { at, task: RefCell::new(Some(task)), held: RefCell::default() });
        tasks.push(slot.clone());
        drop(tasks);
        spawn_local(Gate { domain: self.clone(), slot });
    }

    fn drop_tasks(&self) {
        self.stack.take();
        for slot in self.tasks.take() {
            // A task that is being polled is not in its slot; its gate drops it when the poll returns.
            let task = slot.task.take();
            drop(task);
            if let Some(gate) = slot.held.take() {
                gate.wake();
            }
        }
    }

    fn forget_task(&self, slot: &Rc<Slot>) {
        let mut tasks = self.tasks.borrow_mut();
        let at = slot.at.get();
        // The list is empty already if the domain has ended.
        if tasks.get(at).is_some_and(|known| Rc::ptr_eq(known, slot)) {
            tasks.swap_remove(at);
            if let Some(moved) = tasks.get(at) {
                moved.at.set(at);
            }
        }
    }

    pub fn watch_network(self: &Rc<Self>, meter: &Rc<Meter>) {
        meter.belongs_to(self);
        let mut meters = self.meters.borrow_mut();
        meters.retain(|meter| meter.strong_count() > 0);
        meters.push(Rc::downgrade(meter));
    }

    /// The cable to the page's switch, once.
    pub fn take_cable(&self) -> Option<MessagePort> {
        self.cable.take()
    }

    pub fn stack(&self) -> Option<Tcpip> {
        self.stack.borrow().clone()
    }

    pub fn keep_stack(&self, stack: Tcpip) {
        self.stack.replace(Some(stack));
    }

    pub fn watch_store(&self, name: &str) {
        let mut stores = self.stores.borrow_mut();
        if !stores.iter().any(|known| known == name) {
            stores.push(name.to_owned());
        }
    }

    /// The addresses of its stack, if it has one.
    fn addresses(&self) -> Vec<String> {
        let stack = self.stack.borrow();
        stack.iter().flat_map(Stack::addresses).map(|address| address.to_string()).collect()
    }

    pub fn stats(&self) -> Stats {
        let now = clock::milliseconds();
        Stats {
            name: self.name.clone(),
            state: self.state(),
            boot_ms: self.terminal.first_line_ms().map_or(0.0, |first| first - self.booted_ms),
            uptime_ms: now - self.booted_ms,
            memory_bytes: memory_bytes(),
            tasks: self.tasks.borrow().len() as u32,
            console: self.terminal.stats(),
            networks: self
                .meters
                .borrow()
                .iter()
                .filter_map(Weak::upgrade)
                .map(|meter| NetworkReport::new(&meter))
                .collect(),
            stores: self.stores.borrow().clone(),
            addresses: self.addresses(),
        }
    }
}

/// All memory that the module has, in bytes.
fn memory_bytes() -> f64 {
    core::arch::wasm32::memory_size::<0>() as f64 * 65_536.0
}

struct Gate {
    domain: Rc<Domain>,
    slot: Rc<Slot>,
}

impl Future for Gate {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let domain = &self.domain;
        match domain.state() {
            State::Paused => {
                self.slot.held.replace(Some(cx.waker().clone()));
                return Poll::Pending;
            }
            state if state.has_ended() => return Poll::Ready(()),
            _ => {}
        }
        let Some(mut task) = self.slot.task.take() else { return Poll::Ready(()) };
        domain.make_current();
        let polled = task.as_mut().poll(cx);
        if polled.is_ready() || domain.state().has_ended() {
            domain.forget_task(&self.slot);
            return Poll::Ready(());
        }
        self.slot.task.replace(Some(task));
        Poll::Pending
    }
}
