//! What is counted, and how Prometheus reads it (text format 0.0.4).

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that others may read while it changes.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn up(&self) {
        self.add(1);
    }

    /// `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// One less; for what is there at the moment.
    pub fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// One more until the guard is dropped.
    pub fn while_alive(&self) -> Alive<'_> {
        self.up();
        Alive(self)
    }
}

/// Counts as one while it lives.
#[derive(Debug)]
pub struct Alive<'a>(&'a Counter);

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.down();
    }
}

/// Makes the struct, and the function that writes it, out of one list, so that nothing is counted and not shown.
macro_rules! metrics {
    ($($kind:ident $name:literal $help:literal { $($field:ident $labels:literal,)+ })+) => {
        /// All that the relay counts. LANs have their own on top, as long as they exist.
        #[derive(Debug, Default)]
        #[allow(missing_docs, reason = "the help text of each stands beside its name below")]
        pub struct Metrics { $($(pub $field: Counter,)+)+ }

        impl Metrics {
            /// The relay's own metrics, in Prometheus' text format.
            pub fn write(&self, out: &mut String) {
                $(
                    header(out, $name, stringify!($kind), $help);
                    $(sample(out, $name, $labels, self.$field.get());)+
                )+
            }
        }
    };
}

metrics! {
    gauge "mirage_relay_clients" "Clients connected now." { clients "", }
    counter "mirage_relay_clients_total" "Clients that came in." { clients_total "", }
    counter "mirage_relay_refused_total" "Requests to connect that were refused." {
        refused_path r#"{reason="path"}"#,
        refused_origin r#"{reason="origin"}"#,
        refused_token r#"{reason="token"}"#,
        refused_full r#"{reason="full"}"#,
    }
    counter "mirage_relay_frames_received_total" "Frames that came in and were forwarded." { frames_in "", }
    counter "mirage_relay_bytes_received_total" "Bytes of these frames." { bytes_in "", }
    counter "mirage_relay_frames_sent_total" "Copies of frames that were queued for a port." { frames_out "", }
    counter "mirage_relay_frames_dropped_total" "Frames that were not forwarded." {
        dropped_queue r#"{reason="queue full"}"#,
        dropped_size r#"{reason="size"}"#,
        dropped_source r#"{reason="source"}"#,
        dropped_reserved r#"{reason="reserved destination"}"#,
    }
    counter "mirage_relay_text_messages_total" "Text messages, which carry no frame." { texts "", }
    counter "mirage_relay_clients_lost_total" "Clients that the relay hung up on." {
        lost_silent r#"{reason="no answer to pings"}"#,
        lost_text r#"{reason="text"}"#,
        lost_protocol r#"{reason="protocol"}"#,
    }
    counter "mirage_relay_slowed_total" "Times that a client above its rate had to wait." { slowed "", }
    counter "mirage_relay_capture_dropped_total" "Frames that the capture has not." { capture_dropped "", }
    gauge "mirage_relay_nat_flows" "Flows of the gateways open now." {
        tcp_flows r#"{protocol="tcp"}"#,
        udp_flows r#"{protocol="udp"}"#,
        queries r#"{protocol="dns"}"#,
        pings r#"{protocol="icmp"}"#,
    }
    counter "mirage_relay_nat_flows_total" "Flows that the gateways opened." {
        tcp_opened r#"{protocol="tcp"}"#,
        udp_opened r#"{protocol="udp"}"#,
        queries_opened r#"{protocol="dns"}"#,
        pings_opened r#"{protocol="icmp"}"#,
    }
    counter "mirage_relay_nat_refused_total" "Flows that the gateways refused or dropped." {
        nat_denied r#"{reason="destination not allowed"}"#,
        nat_full r#"{reason="too many flows"}"#,
        nat_unreachable r#"{reason="unreachable"}"#,
        nat_fragment r#"{reason="fragment"}"#,
        nat_malformed r#"{reason="malformed"}"#,
        nat_queue r#"{reason="queue full"}"#,
        nat_large r#"{reason="larger than the MTU"}"#,
    }
    counter "mirage_relay_dhcp_answers_total" "Answers of the DHCP servers." { dhcp_answers "", }
    counter "mirage_relay_dns_failures_total" "Questions that no resolver answered in time." { dns_failures "", }
}

/// The lines before a metric's samples.
pub fn header(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// A metric's value. `labels` is empty or in braces.
pub fn sample(out: &mut String, name: &str, labels: &str, value: u64) {
    let _ = writeln!(out, "{name}{labels} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_follows_the_header_of_its_metric() {
        let metrics = Metrics::default();
        metrics.dropped_size.add(3);
        {
            let _flow = metrics.tcp_flows.while_alive();
            assert_eq!(metrics.tcp_flows.get(), 1);
        }
        assert_eq!(metrics.tcp_flows.get(), 0);
        let mut text = String::new();
        metrics.write(&mut text);
        assert!(text.contains("\nmirage_relay_frames_dropped_total{reason=\"size\"} 3\n"), "{text}");
        let mut current = "";
        for line in text.lines() {
            if let Some(header) = line.strip_prefix("# TYPE ") {
                current = header.split(' ').next().unwrap();
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap();
                assert_eq!(name, current);
                assert!(line.rsplit(' ').next().unwrap().parse::<u64>().is_ok(), "{line}");
            }
        }
    }
}
