//! Who a figure is about: resource attributes of the host, of a container, of a process. In: `machine-id`, the kernel's name of the host, its addresses, what
//! the runtime calls containers, what the configuration says. Out: lists of OTLP attributes with the keys that spans of the same things carry.

use std::collections::BTreeMap;
use std::path::Path;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use telemetry::semconv;
use uuid::Uuid;

use crate::config::Paths;
use crate::container::{Identity, Names};
use crate::file;
use crate::sheet::attribute;

const HOST_ARCH: &str = "host.arch";
const HOST_IP: &str = "host.ip";
const OS_TYPE: &str = "os.type";
const PROCESS_EXECUTABLE_NAME: &str = "process.executable.name";
/// Namespace of the ids of instances, from the semantic conventions of `service.instance.id`.
const INSTANCE_NAMESPACE: Uuid = Uuid::from_u128(0x4d63_009a_8d0f_11ee_aad7_4c79_6ed8_e320);

/// The host that everything runs on.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    attributes: Vec<KeyValue>,
    /// Where it is reached. They may change, so they are no part of what containers and processes carry.
    addresses: Vec<String>,
    /// What the runtime calls containers.
    names: Names,
    /// What tells this host from others: its id, else its name.
    key: String,
}

/// A process, as its resource names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProcessIdentity<'a> {
    pub(crate) pid: u64,
    /// In its own pid namespace; equal to `pid` outside containers.
    pub(crate) vpid: u64,
    pub(crate) created_unix_ms: i64,
    pub(crate) name: &'a str,
}

impl Host {
    /// Finds out what host this is. `configured` attributes win over those that are found.
    pub(crate) fn find(paths: &Paths, configured: &BTreeMap<String, String>) -> Self {
        let mut found = BTreeMap::from([
            (HOST_ARCH, arch().to_owned()),
            (OS_TYPE, "linux".to_owned()),
        ]);
        found.extend(machine_id(&paths.etc).map(|id| (semconv::HOST_ID, id)));
        found.extend(host_name(paths).map(|name| (semconv::HOST_NAME, name)));
        found.extend(configured.iter().map(|(k, v)| (k.as_str(), v.clone())));
        let key = found
            .get(semconv::HOST_ID)
            .or_else(|| found.get(semconv::HOST_NAME));
        Self {
            key: key.cloned().unwrap_or_default(),
            attributes: found
                .iter()
                .map(|(k, v)| attribute(k, v.as_str()))
                .collect(),
            addresses: Vec::new(),
            names: Names::new(),
        }
    }

    /// Whether it can be told from other hosts.
    pub(crate) fn is_known(&self) -> bool {
        !self.key.is_empty()
    }

    /// Takes where it is reached now. What is configured stays.
    pub(crate) fn reach_at(&mut self, addresses: Vec<String>) {
        if !self.has(HOST_IP) {
            self.addresses = addresses;
        }
    }

    /// Takes what containers are called.
    pub(crate) fn call_containers(&mut self, names: &Names) {
        if self.names != *names {
            self.names.clone_from(names);
        }
    }

    fn has(&self, key: &str) -> bool {
        self.attributes.iter().any(|attribute| attribute.key == key)
    }

    pub(crate) fn resource(&self) -> Vec<KeyValue> {
        let mut attributes = self.with(None, None);
        if !self.addresses.is_empty() {
            attributes.push(attribute(HOST_IP, self.addresses.as_slice()));
        }
        attributes
    }

    pub(crate) fn container(&self, container: &Identity) -> Vec<KeyValue> {
        self.with(Some(container), None)
    }

    pub(crate) fn process(
        &self,
        container: Option<&Identity>,
        process: &ProcessIdentity<'_>,
    ) -> Vec<KeyValue> {
        self.with(container, Some(process))
    }

    fn with(
        &self,
        container: Option<&Identity>,
        process: Option<&ProcessIdentity<'_>>,
    ) -> Vec<KeyValue> {
        let mut attributes = self.attributes.clone();
        let mut key = self.key.clone();
        if let Some(container) = container {
            attributes.push(attribute(semconv::CONTAINER_ID, container.id.as_str()));
            key = format!("{key}/{}", container.id);
            if let Some(uid) = &container.pod_uid {
                attributes.push(attribute(semconv::K8S_POD_UID, uid.as_str()));
            }
            let names = self.names.get(&container.id).into_iter().flatten();
            let names = names.filter(|(key, _)| !self.has(key));
            attributes.extend(names.map(|(key, name)| attribute(key, name.as_str())));
        }
        if let Some(process) = process {
            let created = created_text(process.created_unix_ms);
            attributes.push(attribute(semconv::PROCESS_PID, process.pid));
            attributes.push(attribute(semconv::PROCESS_VPID, process.vpid));
            attributes.push(attribute(PROCESS_EXECUTABLE_NAME, process.name));
            attributes.push(attribute(semconv::PROCESS_CREATION_TIME, created.as_str()));
            key = format!("{key}/{}@{created}", process.pid);
        }
        let instance = Uuid::new_v5(&INSTANCE_NAMESPACE, key.as_bytes()).to_string();
        attributes.push(attribute(semconv::SERVICE_INSTANCE_ID, instance.as_str()));
        attributes
    }
}

/// ISO 8601 with milliseconds, as the conventions want `process.creation.time`.
fn created_text(unix_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_ms)
        .map(|time| format!("{time:.3}"))
        .unwrap_or_default()
}

/// 32 hex digits, or nothing: an image that was never booted says `uninitialized`.
fn machine_id(etc: &Path) -> Option<String> {
    let text = file::read_short(&etc.join("machine-id"))?;
    let id = text.trim().to_ascii_lowercase();
    let is_id = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
    (is_id && id.bytes().any(|b| b != b'0')).then_some(id)
}

fn host_name(paths: &Paths) -> Option<String> {
    let kernels = paths.proc.join("sys/kernel/hostname");
    let configured = paths.etc.join("hostname");
    [kernels, configured].iter().find_map(|path| {
        let name = file::read_short(path)?.trim().to_owned();
        (!name.is_empty() && name != "(none)").then_some(name)
    })
}

/// The architecture as the conventions call it.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;

    use super::*;

    fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
        let found = attributes.iter().find(|a| a.key == key)?;
        found.value.as_ref()?.value.as_ref()
    }

    fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
        match value(attributes, key)? {
            Value::StringValue(text) => Some(text),
            other => panic!("{key} is {other:?}"),
        }
    }

    fn tree(machine_id: &str, hostname: &str) -> (tempfile::TempDir, Paths) {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = Paths {
            proc: folder.path().join("proc"),
            etc: folder.path().to_owned(),
            ..Paths::default()
        };
        std::fs::create_dir_all(paths.proc.join("sys/kernel")).expect("made");
        std::fs::write(paths.etc.join("machine-id"), machine_id).expect("written");
        std::fs::write(paths.proc.join("sys/kernel/hostname"), hostname).expect("written");
        (folder, paths)
    }

    #[test]
    fn the_host_is_known_by_its_machine_id_and_name() {
        let (_folder, paths) = tree("3D1219C7C4C5404AAA1F6D2A48ADFDA4\n", "node-1\n");
        let host = Host::find(&paths, &BTreeMap::new()).resource();
        assert_eq!(
            text(&host, "host.id"),
            Some("3d1219c7c4c5404aaa1f6d2a48adfda4")
        );
        assert_eq!(text(&host, "host.name"), Some("node-1"));
        assert_eq!(text(&host, "os.type"), Some("linux"));
        assert!(text(&host, "host.arch").is_some());
    }

    #[test]
    fn no_machine_id_is_better_than_a_wrong_one() {
        for content in [
            "",
            "uninitialized\n",
            "00000000000000000000000000000000",
            "12",
        ] {
            let (_folder, paths) = tree(content, "(none)");
            let host = Host::find(&paths, &BTreeMap::new());
            assert!(!host.is_known(), "{content:?}");
            assert_eq!(text(&host.resource(), "host.id"), None);
        }
    }

    #[test]
    fn what_is_configured_wins() {
        let (_folder, paths) = tree("", "agent-7f");
        let configured = BTreeMap::from([
            ("host.name".to_owned(), "node-1".to_owned()),
            ("deployment.environment.name".to_owned(), "prod".to_owned()),
        ]);
        let host = Host::find(&paths, &configured).resource();
        assert_eq!(text(&host, "host.name"), Some("node-1"));
        assert_eq!(text(&host, "deployment.environment.name"), Some("prod"));
        assert_eq!(host.iter().filter(|a| a.key == "host.name").count(), 1);
    }

    #[test]
    fn a_hosts_addresses_are_its_own_resources_alone() {
        let (_folder, paths) = tree("3d1219c7c4c5404aaa1f6d2a48adfda4", "node-1");
        let mut host = Host::find(&paths, &BTreeMap::new());
        assert_eq!(value(&host.resource(), "host.ip"), None);
        host.reach_at(vec!["192.0.2.2".to_owned(), "fd00::2".to_owned()]);
        let Some(Value::ArrayValue(told)) = value(&host.resource(), "host.ip").cloned() else {
            panic!("host.ip is a list")
        };
        assert_eq!(told.values.len(), 2);
        let container = Identity {
            id: "ab".repeat(32),
            pod_uid: None,
        };
        assert_eq!(value(&host.container(&container), "host.ip"), None);
        let configured = BTreeMap::from([("host.ip".to_owned(), "192.0.2.9".to_owned())]);
        let mut host = Host::find(&paths, &configured);
        host.reach_at(vec!["192.0.2.2".to_owned()]);
        assert_eq!(text(&host.resource(), "host.ip"), Some("192.0.2.9"));
    }

    #[test]
    fn a_container_and_its_processes_carry_its_names() {
        let (_folder, paths) = tree("3d1219c7c4c5404aaa1f6d2a48adfda4", "node-1");
        let configured = BTreeMap::from([("k8s.namespace.name".to_owned(), "shop".to_owned())]);
        let mut host = Host::find(&paths, &configured);
        let container = Identity {
            id: "ab".repeat(32),
            pod_uid: None,
        };
        let instance =
            |resource: &[KeyValue]| text(resource, "service.instance.id").map(str::to_owned);
        let before = instance(&host.container(&container));
        let names = [("container.name", "cart"), ("k8s.namespace.name", "other")];
        let names = names.map(|(key, name)| (key, name.to_owned())).to_vec();
        host.call_containers(&Names::from([(container.id.clone(), names)]));
        let process = ProcessIdentity {
            pid: 71,
            vpid: 1,
            created_unix_ms: 0,
            name: "cart",
        };
        let told = host.container(&container);
        assert_eq!(instance(&told), before, "named or not, it is the same");
        for told in [told, host.process(Some(&container), &process)] {
            assert_eq!(text(&told, "container.name"), Some("cart"));
            assert_eq!(text(&told, "k8s.namespace.name"), Some("shop"));
            let keys = told.iter().filter(|a| a.key == "k8s.namespace.name");
            assert_eq!(keys.count(), 1, "what is configured wins");
        }
        assert_eq!(text(&host.process(None, &process), "container.name"), None);
    }

    #[test]
    fn instances_have_an_id_that_stays_and_that_no_other_has() {
        let (_folder, paths) = tree("3d1219c7c4c5404aaa1f6d2a48adfda4", "node-1");
        let host = Host::find(&paths, &BTreeMap::new());
        let container = Identity {
            id: "ab".repeat(32),
            pod_uid: Some("0f1e2d3c-0000-1111-2222-333344445555".to_owned()),
        };
        let process = ProcessIdentity {
            pid: 71,
            vpid: 1,
            created_unix_ms: 1_700_558_734_853,
            name: "checkout",
        };
        let resources = [
            host.resource(),
            host.container(&container),
            host.process(Some(&container), &process),
            host.process(None, &process),
        ];
        let ids: Vec<_> = resources
            .iter()
            .map(|r| text(r, "service.instance.id").expect("an id"))
            .collect();
        for (i, id) in ids.iter().enumerate() {
            assert_eq!(id.as_bytes()[14], b'5', "a UUID of version 5: {id}");
            assert!(!ids[..i].contains(id));
        }
        let again = Host::find(&paths, &BTreeMap::new()).container(&container);
        assert_eq!(text(&again, "service.instance.id"), Some(ids[1]));

        let told = &resources[2];
        assert_eq!(
            text(told, "process.creation.time"),
            Some("2023-11-21T09:25:34.853Z")
        );
        assert_eq!(value(told, "process.pid"), Some(&Value::IntValue(71)));
        assert_eq!(value(told, "process.vpid"), Some(&Value::IntValue(1)));
        assert_eq!(text(told, "container.id"), Some(container.id.as_str()));
        assert_eq!(text(told, "k8s.pod.uid"), container.pod_uid.as_deref());
    }
}
