//! Disks: files of the Origin Private File System (File System standard), by synchronous access handles, which only a
//! dedicated worker can have.
//!
//! The requests themselves do not wait: the browser answers each before the next one runs. A disk is open once in the whole
//! browser; the next one who wants it is told so.

use std::fmt;

use crate::describe::describe;
use mirage_sig::{Block, BlockError, BlockErrorKind, BlockInfo};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetFileOptions, FileSystemReadWriteOptions,
    FileSystemSyncAccessHandle, StorageManager,
};

/// Bytes in a sector.
pub const SECTOR_BYTES: usize = 512;

/// The size of a disk that is made. Browsers store only what was written.
pub const DISK_BYTES: u64 = 16 * 1024 * 1024;

/// A disk in a file of the origin's own.
#[derive(Debug)]
pub struct Disk {
    file: FileSystemSyncAccessHandle,
    name: String,
    sectors: u64,
}

/// What went wrong on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskError {
    kind: BlockErrorKind,
    what: String,
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for DiskError {}

impl BlockError for DiskError {
    fn kind(&self) -> BlockErrorKind {
        self.kind
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = navigator, js_name = storage, thread_local_v2)]
    static STORAGE: Option<StorageManager>;
}

fn refused(what: &str, error: &JsValue) -> DiskError {
    let name = error.dyn_ref::<web_sys::DomException>().map(web_sys::DomException::name).unwrap_or_default();
    let (kind, remedy) = match name.as_str() {
        "NoModificationAllowedError" | "InvalidStateError" => {
            (BlockErrorKind::Gone, "another domain or tab uses it; end that one first")
        }
        "QuotaExceededError" => (BlockErrorKind::NoSpace, "the browser gives this site no more room; free some"),
        "SecurityError" => {
            (BlockErrorKind::Gone, "the browser refuses to store anything for this page; allow site data for it")
        }
        _ => (BlockErrorKind::Failed, "private browsing may forbid it, or the browser be too old"),
    };
    DiskError { kind, what: format!("{what}: {remedy} ({})", describe(error)) }
}

impl Disk {
    /// Opens a domain's disk of that name; makes one of [`DISK_BYTES`] zeros if it is not there.
    pub(crate) async fn open(domain: &str, name: &str) -> Result<Self, DiskError> {
        let file_name = format!("mirage-{domain}-{}.img", name.replace(['/', '\\'], "-"));
        if js_sys::global().dyn_ref::<web_sys::DedicatedWorkerGlobalScope>().is_none() {
            let what = "disks need a dedicated worker: boot this unikernel by serve() in a worker, not by boot() in the window";
            return Err(DiskError { kind: BlockErrorKind::Gone, what: what.into() });
        }
        let open = Self::open_file(&file_name).await.map_err(|error| refused(&file_name, &error))?;
        let mut disk = Self { file: open, name: file_name, sectors: 0 };
        let size = disk.file.get_size().map_err(|error| refused(&disk.name, &error))? as u64;
        let size = if size == 0 {
            disk.file.truncate_with_f64(DISK_BYTES as f64).map_err(|error| refused(&disk.name, &error))?;
            disk.file.flush().map_err(|error| refused(&disk.name, &error))?;
            DISK_BYTES
        } else {
            size
        };
        disk.sectors = size / SECTOR_BYTES as u64;
        Ok(disk)
    }

    async fn open_file(name: &str) -> Result<FileSystemSyncAccessHandle, JsValue> {
        let storage = STORAGE.with(Clone::clone).ok_or("this browser has no file system of the origin's own here; where it has one, only for pages by https or of localhost")?;
        let root: FileSystemDirectoryHandle = JsFuture::from(storage.get_directory()).await?.unchecked_into();
        let create = FileSystemGetFileOptions::new();
        create.set_create(true);
        let file = JsFuture::from(root.get_file_handle_with_options(name, &create)).await?;
        let file: FileSystemFileHandle = file.unchecked_into();
        Ok(JsFuture::from(file.create_sync_access_handle()).await?.unchecked_into())
    }

    /// Where the request begins, in bytes, if all of it is on the disk.
    fn position(&self, first: u64, bytes: usize) -> Result<f64, DiskError> {
        let place = || format!("{}: {bytes} bytes at sector {first}", self.name);
        if !bytes.is_multiple_of(SECTOR_BYTES) {
            let what = format!("{}: not a whole number of sectors of {SECTOR_BYTES} bytes", place());
            return Err(DiskError { kind: BlockErrorKind::Unaligned, what });
        }
        let behind = first.checked_add((bytes / SECTOR_BYTES) as u64);
        if behind.is_none_or(|behind| behind > self.sectors) {
            let what = format!("{}: the disk ends at sector {}", place(), self.sectors);
            return Err(DiskError { kind: BlockErrorKind::OutOfRange, what });
        }
        // At most 2^53, as a file's size is.
        Ok((first * SECTOR_BYTES as u64) as f64)
    }

    /// Makes of a request's result an error unless all was moved.
    fn moved(&self, first: u64, wanted: usize, result: Result<f64, JsValue>) -> Result<(), DiskError> {
        let what = format!("{}: {wanted} bytes at sector {first}", self.name);
        match result {
            Ok(moved) if moved as usize == wanted => Ok(()),
            Ok(moved) => {
                Err(DiskError { kind: BlockErrorKind::NoSpace, what: format!("{what}: only {moved} were moved") })
            }
            Err(error) => Err(refused(&what, &error)),
        }
    }
}

fn at(position: f64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at(position);
    options
}

impl Block for Disk {
    type Error = DiskError;

    fn info(&self) -> BlockInfo {
        BlockInfo { sector_size: SECTOR_BYTES, sectors: self.sectors, writable: true }
    }

    async fn read(&self, first: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        let options = at(self.position(first, buffer.len())?);
        if buffer.is_empty() {
            return Ok(());
        }
        let wanted = buffer.len();
        self.moved(first, wanted, self.file.read_with_u8_array_and_options(buffer, &options))
    }

    async fn write(&self, first: u64, buffer: &[u8]) -> Result<(), DiskError> {
        let options = at(self.position(first, buffer.len())?);
        if buffer.is_empty() {
            return Ok(());
        }
        self.moved(first, buffer.len(), self.file.write_with_u8_array_and_options(buffer, &options))
    }

    async fn flush(&self) -> Result<(), DiskError> {
        self.file.flush().map_err(|error| refused(&self.name, &error))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.file.close();
    }
}
