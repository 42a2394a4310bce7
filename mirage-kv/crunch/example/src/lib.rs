//! A package with a compiled-in directory: see build.rs.
#![no_std]

use mirage_kv::Static;

/// The files in `site/`.
pub static SITE: Static = include!(concat!(env!("OUT_DIR"), "/site.rs"));
