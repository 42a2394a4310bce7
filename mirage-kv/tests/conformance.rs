//! Both stores under the suites of `mirage-conformance`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]

use core::convert::Infallible;
use core::time::Duration;
use mirage_conformance::kv::{KvRig, ro_suite, rw_suite};
use mirage_kv::{Memory, Static, StoreError};
use mirage_sig::{Entry, Key, KvRo, WallClock};
use std::time::SystemTime;

struct Clock;

impl WallClock for Clock {
    fn unix_time(&self) -> Duration {
        SystemTime::UNIX_EPOCH.elapsed().expect("the clock of this machine is after 1970")
    }
}

/// A store that can be made full.
struct Rig(Memory<Clock>);

impl KvRig for Rig {
    type Kv = Memory<Clock>;
    type Error = Infallible;

    async fn open(&self) -> Result<Memory<Clock>, Infallible> {
        Ok(self.0.clone())
    }

    fn set_full(&self, full: bool) -> bool {
        self.0.set_capacity(if full { self.0.used() } else { usize::MAX });
        true
    }
}

#[test]
fn memory() {
    let rig = Rig(Memory::new(Clock));
    pollster::block_on(rw_suite(&Clock, &rig)).unwrap_or_else(|violation| panic!("{violation}"));
}

const CONTENTS: &[(&str, &[u8])] = &[
    ("css-notes.txt", include_bytes!("../crunch/example/site/css-notes.txt")),
    ("css/empty.css", b""),
    ("css/main.css", include_bytes!("../crunch/example/site/css/main.css")),
    ("css/print/main.css", include_bytes!("../crunch/example/site/css/print/main.css")),
    ("four bytes.bin", &[0, 1, 254, 255]),
    ("index.html", include_bytes!("../crunch/example/site/index.html")),
];

#[test]
fn a_compiled_in_directory() {
    let site: Static = crunch_example::SITE;
    pollster::block_on(ro_suite(&site, CONTENTS)).unwrap_or_else(|violation| panic!("{violation}"));
}

#[test]
fn a_compiled_in_directory_without_files() {
    pollster::block_on(ro_suite(&Static::new(&[]), &[])).unwrap_or_else(|violation| panic!("{violation}"));
}

#[test]
fn files_have_the_dates_of_the_directory_and_lie_where_they_are_used() {
    let index = Key::new("index.html").unwrap();
    let modified = pollster::block_on(crunch_example::SITE.last_modified(&index)).unwrap();
    // Where SOURCE_DATE_EPOCH is set at build time, that is the date instead.
    if option_env!("SOURCE_DATE_EPOCH").is_none() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/crunch/example/site/index.html");
        let time = std::fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(modified.as_secs(), time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());
    }
    let file = crunch_example::SITE.file(&index).unwrap();
    assert!(std::ptr::eq(file, crunch_example::SITE.file(&index).unwrap()));
    assert!(file.bytes.starts_with(b"<!doctype html>"));
    let css = Key::new("css").unwrap();
    assert_eq!(crunch_example::SITE.file(&css).unwrap_err(), StoreError::ValueExpected(css.clone()));
    assert_eq!(pollster::block_on(crunch_example::SITE.exists(&css)).unwrap(), Some(Entry::Dictionary));
}
