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
    // Before anybody is told that the relay runs.
    let asked_to_end = asked_to_end();
    let relay = Relay::start(config).await?;
    log::info!(target: "relay", "ws://{}/lan/NAME (gateway 10.0.2.2: {nat})", relay.address());
    asked_to_end.await;
    log::info!(target: "relay", "ending");
    relay.stop().await;
    Ok(())
}

/// Catches Ctrl-C, and what a service manager sends, from the call on. Where it cannot, only the end of the process ends it.
fn asked_to_end() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let signals = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::interrupt()).and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)))
    };
    async move {
        #[cfg(unix)]
        if let Ok((mut interrupt, mut terminate)) = signals {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
