//! The `log` facade: messages go to the console of the domain that runs.

use log::{Log, Metadata, Record};
use mirage_sig::LogFilter;

use crate::domain::Domain;

struct ConsoleLog;

/// Makes the console the place where messages go. Each domain shows what its own argument `logs` says.
pub(crate) fn install(filter: &LogFilter) {
    // Fails from the second domain of a window on: then it is in place already.
    let _ = log::set_logger(&ConsoleLog);
    log::set_max_level(filter.max_level().max(log::max_level()));
}

impl Log for ConsoleLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        Domain::current().is_some_and(|domain| domain.logs.shows(metadata.level(), metadata.target()))
    }

    fn log(&self, record: &Record<'_>) {
        let Some(domain) = Domain::current() else { return };
        if domain.logs.shows(record.level(), record.target()) {
            let level = match record.level() {
                log::Level::Error => "error",
                log::Level::Warn => "warn",
                log::Level::Info => "info",
                log::Level::Debug => "debug",
                log::Level::Trace => "trace",
            };
            domain.terminal.write(format!("[{level}] {}: {}\n", record.target(), record.args()).as_bytes());
        }
    }

    fn flush(&self) {}
}
