//! The program: reads its options, runs the relay, and ends in order when it is asked to.

use std::process::ExitCode;

use clap::Parser;
use env_logger::Env;
use mirage_relay::options::Options;
use mirage_relay::{Relay, StartError};

fn main() -> ExitCode {
    let options = Options::parse();
    env_logger::Builder::from_env(Env::default().default_filter_or("info")).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("mirage-relay: no threads to run on: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mirage-relay: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), StartError> {
    let config = options.config()?;
    let nat = config.nat.clone();
    let relay = Relay::start(config).await?;
    log::info!(target: "relay", "ws://{}/lan/NAME (gateway 10.0.2.2: {nat})", relay.address());
    asked_to_end().await;
    log::info!(target: "relay", "ending");
    relay.stop().await;
    Ok(())
}

/// Waits for Ctrl-C, or for what a service manager sends.
async fn asked_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without signals only the end of the process ends it.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
