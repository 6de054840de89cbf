//! `[agent]`: where figures go, how often they are taken, and where the files of the host lie.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use telemetry::units;

/// Settings of the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// OTLP gRPC receiver, as `http://host:port`. Default `http://127.0.0.1:4317`.
    pub endpoint: String,
    /// Time between two readings, aligned to the clock. At least 1 s. Default 10 s.
    #[serde(with = "units::duration")]
    pub interval: Duration,
    /// What is read. Default all.
    pub probes: Vec<Probe>,
    /// Attributes of every resource, which win over what the agent finds: `deployment.environment.name`, `cloud.*`, `k8s.node.name`, and
    /// `host.name` where the agent runs under another name than its host. At most 64. Default none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// Processes told of in one reading: those that use most CPU and memory, then those that send spans, then those in containers. Default 200.
    pub processes_max: u32,
    /// Socket of the Docker Engine API, such as `/var/run/docker.sock`, that is asked what containers are called. Default empty: nobody is asked.
    pub runtime_socket: PathBuf,
    /// Longest time from a request to its answer. Default 10 s.
    #[serde(with = "units::duration")]
    pub timeout: Duration,
    /// Bytes (compressed) that wait in memory while the collector is away; beyond, the oldest are dropped and counted. Default 16 MiB.
    #[serde(with = "units::bytes")]
    pub buffer_bytes: u64,
    /// Age at which what waits is dropped and counted. Default 15 min.
    #[serde(with = "units::duration")]
    pub buffer_age: Duration,
    pub paths: Paths,
}

/// Something the agent reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Probe {
    /// CPU, load, memory, paging, pressure, disks, file systems, interfaces, TCP.
    Host,
    /// Control groups whose name holds a container's id.
    Container,
    /// Processes in containers and those that use most.
    Process,
}

/// `[agent.paths]`: where the host's files are seen. They differ where the agent itself runs in a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Paths {
    /// Default `/proc`.
    pub proc: PathBuf,
    /// Default `/sys`.
    pub sys: PathBuf,
    /// Default `/sys/fs/cgroup`.
    pub cgroup: PathBuf,
    /// Holds `machine-id` and `hostname`. Default `/etc`.
    pub etc: PathBuf,
    /// What mount points are below. Default `/`.
    pub root: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: "http://127.0.0.1:4317".to_owned(),
            interval: Duration::from_secs(10),
            probes: vec![Probe::Host, Probe::Container, Probe::Process],
            attributes: BTreeMap::new(),
            processes_max: 200,
            runtime_socket: PathBuf::new(),
            timeout: Duration::from_secs(10),
            buffer_bytes: 16 << 20,
            buffer_age: Duration::from_secs(15 * 60),
            paths: Paths::default(),
        }
    }
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            proc: "/proc".into(),
            sys: "/sys".into(),
            cgroup: "/sys/fs/cgroup".into(),
            etc: "/etc".into(),
            root: "/".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_of_a_file_reads_as_people_write_it() {
        let text = r#"
            endpoint = "http://collector:4317"
            interval = "5s"
            probes = ["host", "container"]
            buffer_bytes = "4MiB"
            runtime_socket = "/var/run/docker.sock"
            [attributes]
            "deployment.environment.name" = "prod"
            [paths]
            proc = "/host/proc"
        "#;
        let config: Config = toml::from_str(text).expect("valid");
        assert_eq!(config.interval, Duration::from_secs(5));
        assert_eq!(config.probes, [Probe::Host, Probe::Container]);
        assert_eq!(config.buffer_bytes, 4 << 20);
        assert_eq!(config.runtime_socket, PathBuf::from("/var/run/docker.sock"));
        assert_eq!(config.attributes["deployment.environment.name"], "prod");
        assert_eq!(config.paths.proc, PathBuf::from("/host/proc"));
        assert_eq!(config.paths.sys, PathBuf::from("/sys"));
        assert!(toml::from_str::<Config>("intervall = \"5s\"").is_err());
        let written = toml::to_string(&config).expect("has a text");
        assert_eq!(toml::from_str(&written), Ok(config));
    }
}
