//! platform-js under the conformance suites: see tests/.
