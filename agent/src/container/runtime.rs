//! What the runtime calls its containers: the list of the Docker Engine API, which docker and podman serve, over a Unix socket. In: ids without a name. Out:
//! attributes by id. Nothing is asked unless `[agent] runtime_socket` names the socket, and then nothing but this list, which holds no environments.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use telemetry::{Clock, semconv};

/// Answers without a frame of their own, ended by the connection. Containers that are being started are in the list too: a name must be there from a
/// container's first figures on.
const REQUEST: &[u8] = b"GET /containers/json?all=true HTTP/1.0\r\nHost: localhost\r\n\r\n";
/// Bytes of an answer: some 2 000 containers.
const ANSWER_BYTES_MAX: u64 = 4 << 20;
/// Time for a request with its answer.
const TIMEOUT: Duration = Duration::from_millis(500);
/// Time after a failure in which nothing is asked.
const PAUSE_NS: u64 = 60_000_000_000;
/// Lists in which a container may be missing before it is taken for another runtime's.
const MISSED_MAX: u32 = 5;
/// Characters of a value.
const VALUE_CHARS_MAX: usize = 255;
const CONTAINER_IMAGE_NAME: &str = "container.image.name";
/// Labels that Kubernetes gives its containers.
const LABELS: [(&str, &str); 3] = [
    ("io.kubernetes.pod.name", semconv::K8S_POD_NAME),
    ("io.kubernetes.pod.namespace", semconv::K8S_NAMESPACE_NAME),
    ("io.kubernetes.container.name", semconv::K8S_CONTAINER_NAME),
];

/// Attributes of containers, by id.
pub(crate) type Names = BTreeMap<String, Vec<(&'static str, String)>>;

/// Asks for names, once for each container.
#[derive(Debug)]
pub(super) struct Runtime {
    socket: PathBuf,
    clock: Clock,
    names: Names,
    /// Lists in which a container was missing.
    missed: BTreeMap<String, u32>,
    not_before_unix_ns: u64,
    /// Whether the last request failed.
    is_away: bool,
}

/// A container as the list has it. What it does not say is absent, or null.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    names: Option<Vec<String>>,
    image: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

impl Runtime {
    pub(super) fn new(socket: PathBuf, clock: Clock) -> Self {
        Self {
            socket,
            clock,
            names: Names::new(),
            missed: BTreeMap::new(),
            not_before_unix_ns: 0,
            is_away: false,
        }
    }

    /// Asks if any of these containers has no name yet. Returns the names of those that have one.
    pub(super) fn names(&mut self, ids: &BTreeSet<&str>, now_unix_ns: u64) -> &Names {
        self.names.retain(|id, _| ids.contains(id.as_str()));
        self.missed.retain(|id, _| ids.contains(id.as_str()));
        let is_sought = |id: &&str| {
            let missed = self.missed.get(*id).copied().unwrap_or(0);
            !self.names.contains_key(*id) && missed < MISSED_MAX
        };
        let sought: Vec<&str> = ids.iter().copied().filter(is_sought).collect();
        if !sought.is_empty() && now_unix_ns >= self.not_before_unix_ns {
            self.ask(&sought, now_unix_ns);
        }
        &self.names
    }

    fn ask(&mut self, sought: &[&str], now_unix_ns: u64) {
        let listed = match self.list() {
            Ok(listed) => listed,
            Err(error) => {
                self.not_before_unix_ns = now_unix_ns.saturating_add(PAUSE_NS);
                if !std::mem::replace(&mut self.is_away, true) {
                    tracing::warn!(
                        code = "TW8010",
                        socket = %self.socket.display(),
                        "containers have no names, their runtime does not tell them: {error}"
                    );
                }
                return;
            }
        };
        self.is_away = false;
        let mut listed: BTreeMap<String, Listed> = listed
            .into_iter()
            .map(|container| (container.id.to_ascii_lowercase(), container))
            .collect();
        for id in sought {
            match listed.remove(*id) {
                Some(container) => {
                    self.names.insert((*id).to_owned(), container.attributes());
                }
                None => *self.missed.entry((*id).to_owned()).or_default() += 1,
            }
        }
    }

    fn list(&self) -> io::Result<Vec<Listed>> {
        let answer = self.exchange()?;
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let (head, body) = end
            .and_then(|at| Some((answer.get(..at)?, answer.get(at + 4..)?)))
            .ok_or_else(|| io::Error::other("its answer is no HTTP"))?;
        let head = String::from_utf8_lossy(head);
        let status = head.lines().next().unwrap_or_default();
        if status.split_whitespace().nth(1) != Some("200") {
            let status: String = status.chars().take(VALUE_CHARS_MAX).collect();
            return Err(io::Error::other(format!("its answer is {status:?}")));
        }
        Ok(serde_json::from_slice(body)?)
    }

    /// A request and its whole answer.
    fn exchange(&self) -> io::Result<Vec<u8>> {
        let begin = self.clock.monotonic();
        let left = || {
            let left = TIMEOUT.saturating_sub(self.clock.monotonic() - begin);
            (!left.is_zero()).then_some(left).ok_or_else(|| {
                let told = format!("no whole answer within {} ms", TIMEOUT.as_millis());
                io::Error::new(io::ErrorKind::TimedOut, told)
            })
        };
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_write_timeout(Some(left()?))?;
        stream.write_all(REQUEST)?;
        let mut answer = Vec::new();
        let mut part = vec![0; 64 << 10];
        loop {
            stream.set_read_timeout(Some(left()?))?;
            let n_bytes = stream.read(&mut part)?;
            let Some(read) = part.get(..n_bytes).filter(|read| !read.is_empty()) else {
                return Ok(answer);
            };
            answer.extend_from_slice(read);
            if answer.len() as u64 > ANSWER_BYTES_MAX {
                return Err(io::Error::other("its answer is larger than 4 MiB"));
            }
        }
    }
}

impl Listed {
    fn attributes(self) -> Vec<(&'static str, String)> {
        let names = self.names.unwrap_or_default();
        let name = names.into_iter().next();
        let name = name.map(|name| name.trim_start_matches('/').to_owned());
        let image = self.image.as_deref().and_then(image_name);
        let labels = self.labels.unwrap_or_default();
        let labelled = LABELS.map(|(label, key)| (key, labels.get(label).cloned()));
        let told = [
            (semconv::CONTAINER_NAME, name),
            (CONTAINER_IMAGE_NAME, image.map(str::to_owned)),
        ];
        let told = told.into_iter().chain(labelled);
        told.filter_map(|(key, value)| {
            let value: String = value?.chars().take(VALUE_CHARS_MAX).collect();
            (!value.is_empty()).then_some((key, value))
        })
        .collect()
    }
}

/// `registry:5000/shop/cart` of `registry:5000/shop/cart:1.2@sha256:…`. An image without a name is called by its digest alone.
fn image_name(image: &str) -> Option<&str> {
    let image = image
        .split('@')
        .next()
        .filter(|i| !i.starts_with("sha256:"))?;
    let begin = image.rfind('/').map_or(0, |at| at + 1);
    let tag = image.get(begin..)?.find(':');
    image.get(..tag.map_or(image.len(), |at| begin + at))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    const CART: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const NOW_NS: u64 = 1_700_000_000_000_000_000;

    /// A runtime that answers each request of a test with the next of these.
    struct FakeRuntime {
        folder: tempfile::TempDir,
        answering: std::thread::JoinHandle<usize>,
    }

    impl FakeRuntime {
        fn of(answers: Vec<String>) -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let listener = UnixListener::bind(folder.path().join("s")).expect("bound");
            let answering = std::thread::spawn(move || {
                let mut n_asked = 0;
                for answer in answers {
                    let (mut stream, _) = listener.accept().expect("a request");
                    let mut request = vec![0; REQUEST.len()];
                    stream.read_exact(&mut request).expect("read");
                    assert_eq!(request, REQUEST);
                    // Whoever has had enough closes.
                    stream.write_all(answer.as_bytes()).unwrap_or_default();
                    n_asked += 1;
                }
                n_asked
            });
            Self { folder, answering }
        }

        fn runtime(&self) -> Runtime {
            Runtime::new(self.folder.path().join("s"), Clock::host())
        }

        fn n_asked(self) -> usize {
            self.answering.join().expect("answered")
        }
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{body}")
    }

    #[test]
    fn containers_are_called_what_their_runtime_calls_them() {
        let pod = "\"io.kubernetes.pod.name\": \"cart-7f\", \"io.kubernetes.pod.namespace\": \"shop\", \"io.kubernetes.container.name\": \"cart\"";
        let fake = FakeRuntime::of(vec![ok(&format!(
            "[{{\"Id\": \"{CART}\", \"Names\": [\"/cart\"], \"Image\": \"shop/cart:1.2\", \"Labels\": {{{pod}}}, \"State\": \"created\"}},
              {{\"Id\": \"{}\", \"Names\": null, \"Image\": \"sha256:12\", \"Labels\": null}}, {{\"Id\": \"x\"}}]",
            "f".repeat(64)
        ))]);
        let mut runtime = fake.runtime();
        let other = "f".repeat(64);
        let ids = BTreeSet::from([CART, other.as_str()]);
        let names = runtime.names(&ids, NOW_NS).clone();
        let expected = [
            ("container.name", "cart"),
            ("container.image.name", "shop/cart"),
            ("k8s.pod.name", "cart-7f"),
            ("k8s.namespace.name", "shop"),
            ("k8s.container.name", "cart"),
        ];
        assert_eq!(names[CART], expected.map(|(k, v)| (k, v.to_owned())));
        assert_eq!(
            names[&other],
            [],
            "it has no name, and is not asked for again"
        );
        assert_eq!(
            runtime.names(&ids, NOW_NS),
            &names,
            "known: not asked again"
        );
        assert!(runtime.names(&BTreeSet::new(), NOW_NS).is_empty());
        assert_eq!(fake.n_asked(), 1);
    }

    #[test]
    fn containers_of_another_runtime_are_asked_for_so_often() {
        let fake = FakeRuntime::of(vec![ok("[]"); MISSED_MAX as usize]);
        let mut runtime = fake.runtime();
        let ids = BTreeSet::from([CART]);
        for _ in 0..MISSED_MAX + 3 {
            assert!(runtime.names(&ids, NOW_NS).is_empty());
        }
        assert!(!runtime.is_away);
        assert_eq!(fake.n_asked(), MISSED_MAX as usize);
    }

    #[test]
    fn a_runtime_that_answers_otherwise_is_left_alone_for_a_while() {
        let ids = BTreeSet::from([CART]);
        for answer in [
            String::new(),
            "HTTP/1.0 200 OK\r\n".to_owned(),
            "HTTP/1.0 403 Forbidden\r\n\r\n[]".to_owned(),
            ok("{}"),
            ok("[{\"Id\": 5}]"),
            ok(&" ".repeat(ANSWER_BYTES_MAX as usize)),
        ] {
            let good = ok(&format!("[{{\"Id\": \"{CART}\", \"Names\": [\"/a\"]}}]"));
            let fake = FakeRuntime::of(vec![answer.clone(), good]);
            let mut runtime = fake.runtime();
            for wait_ns in [0, 1, PAUSE_NS - 1] {
                assert!(runtime.names(&ids, NOW_NS + wait_ns).is_empty());
                assert!(runtime.is_away, "{:?}", answer.get(..40));
            }
            assert_eq!(runtime.names(&ids, NOW_NS + PAUSE_NS).len(), 1);
            assert!(!runtime.is_away);
            assert_eq!(fake.n_asked(), 2);
        }
        let mut nobody = Runtime::new("/nonexistent".into(), Clock::host());
        assert!(nobody.names(&ids, NOW_NS).is_empty());
        assert!(nobody.is_away);
    }

    #[test]
    fn an_image_is_named_without_tag_and_digest() {
        for (image, expected) in [
            ("nginx", Some("nginx")),
            ("nginx:1.27", Some("nginx")),
            ("registry:5000/shop/cart", Some("registry:5000/shop/cart")),
            (
                "registry:5000/shop/cart:1@sha256:ab",
                Some("registry:5000/shop/cart"),
            ),
            ("sha256:ab", None),
            ("é:1", Some("é")),
            ("", Some("")),
        ] {
            assert_eq!(image_name(image), expected, "{image:?}");
        }
    }
}
