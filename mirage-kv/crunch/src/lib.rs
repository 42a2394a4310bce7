#![doc = include_str!("../README.md")]

mod error;
mod table;
mod walk;

pub use error::CrunchError;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Compiles `directory` (from the package's own on) into a table: the expression in `OUT_DIR/<name>.rs`.
///
/// For a build script: tells Cargo what to watch, and what is wrong.
///
/// - Files become keys, sorted. Their content is copied to `OUT_DIR` as it is hashed, so that the two always agree.
/// - They were written when the file system says, in whole seconds, or all at `SOURCE_DATE_EPOCH` where that is set. With it
///   the output depends on nothing but names and contents.
/// - Symbolic links are followed as long as they lead to something in `directory`.
/// - A name that is no key, a link that leads elsewhere, and what is neither file nor directory, is an error that ends the
///   build: nothing is left out silently.
pub fn crunch(directory: impl AsRef<Path>, name: &str) {
    let directory = directory.as_ref();
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rerun-if-changed={}", directory.display());
    match from_environment().and_then(|(out, epoch)| generate(directory, &out, name, epoch)) {
        // Cargo watches the directory by itself, but may not see through the links in it.
        Ok(linked) => linked.iter().for_each(|path| println!("cargo::rerun-if-changed={}", path.display())),
        // Cargo reads one line.
        Err(error) => println!("cargo::error={}", error.to_string().replace(['\n', '\r'], " ")),
    }
}

fn from_environment() -> Result<(PathBuf, Option<Duration>), CrunchError> {
    let out = env::var_os("OUT_DIR").ok_or(CrunchError::NoOutDir)?;
    let Some(epoch) = env::var_os("SOURCE_DATE_EPOCH") else { return Ok((out.into(), None)) };
    let seconds = epoch.to_str().and_then(|text| text.trim().parse().ok());
    let seconds = seconds.ok_or_else(|| CrunchError::Epoch(epoch.to_string_lossy().into_owned()))?;
    Ok((out.into(), Some(Duration::from_secs(seconds))))
}

/// What [`crunch`] does, with the environment as arguments: writes `<name>.rs` and the folder `<name>.files` to `out`. Gives
/// the files that were reached through links.
pub fn generate(
    directory: &Path,
    out: &Path,
    name: &str,
    epoch: Option<Duration>,
) -> Result<Vec<PathBuf>, CrunchError> {
    let tree = walk::walk(directory)?;
    let folder = format!("{name}.files");
    let copies = out.join(&folder);
    if copies.exists() {
        fs::remove_dir_all(&copies).map_err(CrunchError::io(&copies))?;
    }
    fs::create_dir_all(&copies).map_err(CrunchError::io(&copies))?;

    let mut table = table::Table::new();
    for (number, (key, path)) in tree.files.iter().enumerate() {
        let bytes = fs::read(path).map_err(CrunchError::io(path))?;
        let copy = copies.join(number.to_string());
        fs::write(&copy, &bytes).map_err(CrunchError::io(&copy))?;
        let modified = epoch.map_or_else(|| walk::modified(path), Ok)?;
        table.add(key, &format!("{folder}/{number}"), &bytes, modified);
    }
    let source = out.join(format!("{name}.rs"));
    fs::write(&source, table.finish()).map_err(CrunchError::io(&source))?;
    Ok(tree.linked)
}
