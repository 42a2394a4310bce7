//! All frames of all LANs into a file that Wireshark opens. A thread of its own writes it, so that a slow disk holds nobody up.

mod pcapng;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::lan::LanName;

/// Frames that wait for the disk at most; those above are dropped and counted.
const QUEUE: usize = 4096;

/// LANs that get an interface block at most: a file cannot have endlessly many, and names are free.
const INTERFACES_MAX: usize = 1024;

/// The way into the file.
#[derive(Clone)]
pub struct Capture(SyncSender<Item>);

enum Item {
    Frame(LanName, SystemTime, Bytes),
    /// Write all out, say so, and end.
    Finish(SyncSender<()>),
}

impl Capture {
    /// Begins the file, or begins it anew. `frame_max` is the length of the longest frame.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(path: &Path, frame_max: usize) -> io::Result<Self> {
        let mut writer = pcapng::Writer::new(BufWriter::new(File::create(path)?))?;
        writer.flush()?;
        let (sender, items) = sync_channel(QUEUE);
        let snap_len = u32::try_from(frame_max).unwrap_or(u32::MAX);
        let name = path.display().to_string();
        thread::Builder::new().name("capture".to_owned()).spawn(move || {
            if let Err(error) = write(writer, &items, snap_len) {
                log::error!(target: "capture", "{name}: {error}; capturing no more");
            }
        })?;
        Ok(Self(sender))
    }

    /// Takes a frame, or not: the disk is too slow, or the file failed.
    pub fn take(&self, lan: &LanName, frame: &Bytes) -> bool {
        self.0.try_send(Item::Frame(lan.clone(), SystemTime::now(), frame.clone())).is_ok()
    }

    /// Ends the file when all that was taken is in it. Blocks for as long.
    pub fn finish(&self) {
        let (sender, written) = sync_channel(1);
        if self.0.send(Item::Finish(sender)).is_ok() {
            // The thread may have failed; that was logged.
            let _ = written.recv();
        }
    }
}

fn write(mut writer: pcapng::Writer<impl Write>, items: &Receiver<Item>, snap_len: u32) -> io::Result<()> {
    let mut interfaces: HashMap<LanName, u32> = HashMap::new();
    while let Ok(item) = items.recv() {
        // What is there is written in one go, and then flushed, so that the file can be followed.
        for item in std::iter::once(item).chain(items.try_iter()) {
            match item {
                Item::Frame(lan, time, frame) => {
                    let interface = match interfaces.get(&lan) {
                        Some(interface) => *interface,
                        None if interfaces.len() >= INTERFACES_MAX => continue,
                        None => {
                            let interface = writer.interface(lan.as_str(), snap_len)?;
                            interfaces.insert(lan, interface);
                            interface
                        }
                    };
                    let time = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
                    writer.frame(interface, time, &frame)?;
                }
                Item::Finish(done) => {
                    writer.flush()?;
                    let _ = done.send(());
                    return Ok(());
                }
            }
        }
        writer.flush()?;
    }
    Ok(())
}
