//! The unikernel of the demo page. Change a line, save, and watch it boot again.
//!
//! It knows `Platform` and no platform: the same source becomes a module in a browser tab or a guest on a hypervisor. Neither
//! has an operating system under it, hence `no_std`; `alloc` brings strings and vectors.
#![no_std]
extern crate alloc;

use alloc::{format, string::String, string::ToString, vec::Vec};
use core::time::Duration;
use mirage_http::{Limits, Request, Response, Router, serve};
use mirage_kv::Static;
use mirage_sig::{Arg, ArgKind, Console, Failure, Key, KvRo, KvRw, Platform, Stack};

/// What it can be told at boot beside what every unikernel can: on the page, in the address, as `?hello=Cambridge`.
pub const ARGS: &[Arg] = &[Arg { name: "hello", kind: ArgKind::Text, help: "Whom to greet." }];

/// The files in the directory `site`, which are part of the program.
static SITE: Static = include!(concat!(env!("OUT_DIR"), "/site.rs"));

/// Here it begins. `p` is the platform: the clock, random numbers, tasks, and the devices.
pub async fn start<P: Platform>(p: P) -> Result<(), Failure> {
    // A console: print to it.
    let mut console = p.console();
    let whom = p.args().text("hello").unwrap_or("world");
    console.line(&format!("Hello, {whom}! This is {}, a unikernel.", p.name())).await?;

    // A store: it remembers what we put there when we are gone. Count how often we were here.
    let store = p.kv("store").await?;
    let visits = store.update(&Key::new("visits")?, |old| Some((number(old) + 1).to_string().into())).await?;
    console.line(&format!("Visit number {}. Type help and press Enter.", number(visits))).await?;

    // Tasks: one keeps time, another waits for somebody to type, a third for visitors from the network.
    let clock = p.spawn(tick(p.clone()));
    let shell = p.spawn(shell(p.clone(), store.clone()));
    let web = p.spawn(web(p.clone(), store));

    // When somebody asks us to end, we do.
    p.shutdown_requested().await;
    clock.cancel();
    shell.cancel();
    web.cancel();
    console.line("Good bye.").await?;
    Ok(())
}

/// Tells every minute how long we have been up.
async fn tick<P: Platform>(p: P) {
    for minutes in 1.. {
        p.sleep(Duration::from_secs(60)).await;
        log::info!("up for {minutes} min");
    }
}

/// Serves a web site, and says why if it cannot.
async fn web<P: Platform>(p: P, store: P::Kv) {
    if let Err(failure) = site(p, store).await {
        log::error!("no web site: {failure}");
    }
}

/// The web site: our files, and `/status`, which is made when somebody asks for it.
async fn site<P: Platform>(p: P, store: P::Kv) -> Result<(), Failure> {
    let stack = p.stack().await?;
    stack.configured().await?;
    let address = stack.addresses().first().map(|own| own.address.to_string()).unwrap_or_default();
    p.console().line(&format!("My web site is at http://{address}/ on this network.")).await?;

    let clock = p.clone();
    let status = async move |request: Request| {
        let visits = store.get(&Key::new("visits")?).await.map(|text| number(Some(text)))?;
        let (uptime, peer) = (clock.now(), request.peer().ip());
        let json = format!(r#"{{"visits": {visits}, "uptime": {uptime}, "address": "{address}", "peer": "{peer}"}}"#);
        Ok::<_, Failure>(Response::json(json))
    };
    let site = Router::new().get("/status", status).site("/", p.clone(), SITE);
    Ok(serve(&p, stack.listen(80, 16)?, Limits::default(), site).await?)
}

/// Answers what is typed, line by line.
async fn shell<P: Platform>(p: P, store: P::Kv) -> Result<(), Failure> {
    let mut console = p.console();
    while let Some(line) = console.read_line(1000).await? {
        let answer = answer(&p, &store, &line).await.unwrap_or_else(|failure| format!("That did not work: {failure}"));
        console.line(&answer).await?;
    }
    Ok(())
}

/// Does what a line says, and gives the answer to it.
async fn answer<P: Platform>(p: &P, store: &P::Kv, line: &str) -> Result<String, Failure> {
    let mut words = line.splitn(3, ' ');
    let (command, first, rest) = (words.next().unwrap_or(""), words.next().unwrap_or(""), words.next().unwrap_or(""));
    Ok(match command {
        "help" => "help, time, keys, get KEY, set KEY TEXT, sleep SECONDS, panic, spin; all else comes back".into(),
        "time" => format!("{} s since boot, {} s since 1970", p.now(), p.unix_time().as_secs()),
        "keys" => {
            let keys = store.list(&Key::ROOT).await?;
            keys.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>().join(" ")
        }
        "get" => String::from_utf8_lossy(&store.get(&Key::new(first)?).await?).into(),
        "set" => {
            store.set(&Key::new(first)?, rest.as_bytes()).await?;
            format!("{first} is {rest}, also after a reload")
        }
        "sleep" => {
            p.sleep(Duration::from_secs(first.parse()?)).await;
            format!("slept for {first} s")
        }
        "panic" => panic!("somebody typed panic"),
        // A loop that never waits: nobody else has a turn any more. The page calls that stuck.
        "spin" => loop {
            core::hint::spin_loop();
        },
        _ => format!("You typed: {line}"),
    })
}

/// The number that a text in the store stands for; none is zero.
fn number(text: Option<Vec<u8>>) -> u64 {
    text.and_then(|text| String::from_utf8(text).ok()).and_then(|text| text.parse().ok()).unwrap_or(0)
}
