use alloc::string::String;
use alloc::vec::Vec;
use log::LevelFilter;

/// Which messages of the `log` facade are shown: the argument `logs`, as in `*:info,net:debug`.
///
/// An entry is a level for one module and those in it, or for all with `*` or with the level alone. The longest module that
/// fits decides; the order does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter {
    others: LevelFilter,
    modules: Vec<(String, LevelFilter)>,
}

impl Default for LogFilter {
    /// `*:info`.
    fn default() -> Self {
        Self { others: LevelFilter::Info, modules: Vec::new() }
    }
}

impl LogFilter {
    /// What is expected where one is wanted.
    pub const EXPECTED: &str = "levels such as *:info,net:debug (off, error, warn, info, debug, trace)";

    /// Reads one from its text; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut filter = Self::default();
        for entry in text.split(',') {
            let (module, level) = entry.trim().rsplit_once(':').unwrap_or(("*", entry.trim()));
            let level = level.parse().ok()?;
            match module {
                "" => return None,
                "*" => filter.others = level,
                module => filter.modules.push((module.into(), level)),
            }
        }
        Some(filter)
    }

    /// Whether a message of that level from that module is shown.
    pub fn shows(&self, level: log::Level, module: &str) -> bool {
        let fits = |name: &str| module.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        let best = self.modules.iter().filter(|(name, _)| fits(name)).max_by_key(|(name, _)| name.len());
        level <= best.map_or(self.others, |(_, level)| *level)
    }

    /// The most that is shown of any module.
    pub fn max_level(&self) -> LevelFilter {
        self.modules.iter().map(|(_, level)| *level).fold(self.others, Ord::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;

    #[test]
    fn the_longest_module_decides() {
        let filter = LogFilter::parse("net:debug, *:warn, net::arp:off").unwrap();
        assert!(filter.shows(Level::Debug, "net") && filter.shows(Level::Debug, "net::tcp"));
        assert!(!filter.shows(Level::Error, "net::arp"));
        assert!(filter.shows(Level::Warn, "network") && !filter.shows(Level::Info, "network"));
        assert_eq!(filter.max_level(), LevelFilter::Debug);
    }

    #[test]
    fn a_level_alone_is_for_all() {
        assert!(LogFilter::parse("trace").unwrap().shows(Level::Trace, "any"));
    }

    #[test]
    fn what_is_no_level_is_refused() {
        for text in ["", "loud", "net:", ":info", "net:info,,"] {
            assert_eq!(LogFilter::parse(text), None, "{text}");
        }
    }
}
