//! A TAP interface as one more port of a switch: the kernel's own Ethernet, and what is bridged to it.

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::time::Duration;

    use bytes::Bytes;
    use tokio::time::sleep;
    use tun_rs::{AsyncDevice, DeviceBuilder, Layer};

    use crate::error::StartError;
    use crate::lan::Port;
    use crate::lan::switch::HEADER_LEN;

    /// How long to leave an interface alone that was set down.
    const RETRY: Duration = Duration::from_millis(500);

    /// An interface that is open.
    pub struct Tap {
        device: AsyncDevice,
        name: String,
    }

    impl Tap {
        /// Opens the interface, and makes it if there is none of that name. Sets it up, where that is permitted.
        ///
        /// # Errors
        /// It is not permitted, or not possible.
        pub fn open(name: &str) -> Result<Self, StartError> {
            let failed = |error: io::Error| StartError::Tap(name.to_owned(), error);
            // Longer names are cut off without a word (IFNAMSIZ).
            if name.is_empty() || name.len() > 15 || name.contains(['/', '%', ' ']) {
                return Err(failed(io::Error::other(
                    "an interface's name has 1 to 15 characters, and no '/', '%' or space",
                )));
            }
            let device = DeviceBuilder::new()
                .name(name)
                .layer(Layer::L2)
                .inherit_enable_state()
                .build_async()
                .map_err(failed)?;
            if let Err(error) = device.enabled(true) {
                log::info!(target: "tap", "{name}: left as it is ({error}); if it is down: ip link set {name} up");
            }
            Ok(Self { device, name: name.to_owned() })
        }

        /// The interface's name.
        pub fn name(&self) -> &str {
            &self.name
        }

        /// Moves frames between the interface and the LAN, for as long as the relay runs.
        pub async fn run(self, mut port: Port, frame_max: usize) {
            let cable = port.cable();
            let inward = async {
                // One byte more than a frame, so that a longer one shows.
                let mut buffer = vec![0; frame_max + 1];
                let mut told = false;
                loop {
                    match self.device.recv(&mut buffer).await {
                        Ok(length) if (HEADER_LEN..=frame_max).contains(&length) => {
                            cable.send(&Bytes::copy_from_slice(&buffer[..length]));
                        }
                        Ok(length) => {
                            if !std::mem::replace(&mut told, true) {
                                log::warn!(target: "tap", "{}: a frame of {length} bytes or more, and {frame_max} is the most (told once)", self.name);
                            }
                        }
                        Err(_) => sleep(RETRY).await,
                    }
                }
            };
            let outward = async {
                let mut told = false;
                while let Some(frame) = port.frames.recv().await {
                    // An interface that is down takes nothing; that is its right.
                    if let Err(error) = self.device.send(&frame).await
                        && !std::mem::replace(&mut told, true)
                    {
                        log::warn!(target: "tap", "{}: {error}; is it up? (told once)", self.name);
                    }
                }
            };
            tokio::join!(inward, outward);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::convert::Infallible;
    use std::io;

    use crate::error::StartError;
    use crate::lan::Port;

    /// There is none on this system.
    pub struct Tap(Infallible);

    impl Tap {
        /// Always fails.
        ///
        /// # Errors
        /// TAP interfaces are for Linux.
        pub fn open(name: &str) -> Result<Self, StartError> {
            Err(StartError::Tap(name.to_owned(), io::Error::new(io::ErrorKind::Unsupported, "only on Linux")))
        }

        /// Never called.
        pub fn name(&self) -> &str {
            match self.0 {}
        }

        /// Never called.
        pub async fn run(self, _: Port, _: usize) {
            match self.0 {}
        }
    }
}

#[cfg(target_os = "linux")]
pub use linux::Tap;
#[cfg(not(target_os = "linux"))]
pub use other::Tap;
