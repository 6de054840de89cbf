//! The real binary as a child process.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Longest wait for a start; the product promises 3 s.
const READY_MAX: Duration = Duration::from_secs(30);
/// Looks for a trace that was acknowledged, with all tests on two cores; the product promises 1 s, which the tests of SDKs hold it to.
const FOUND_WITHIN: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// One `tracewell` on ports of its own. Killed when dropped.
pub struct Tracewell {
    child: Option<Child>,
    data_dir: PathBuf,
    settings: Vec<String>,
    /// Another than [`binary`].
    binary: Option<PathBuf>,
    ports: Ports,
    http: reqwest::Client,
}

#[derive(Clone, Copy)]
struct Ports {
    grpc: u16,
    http: u16,
    query: u16,
}

impl Tracewell {
    /// Describes a server on `data_dir` with `settings` (`a.b=c`) over the defaults. It is not running yet.
    pub fn new(data_dir: &Path, settings: &[&str]) -> Result<Self> {
        Ok(Self {
            child: None,
            data_dir: data_dir.to_owned(),
            settings: settings.iter().map(ToString::to_string).collect(),
            binary: None,
            ports: Ports {
                grpc: free_port()?,
                http: free_port()?,
                query: free_port()?,
            },
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(10))
                .build()?,
        })
    }

    /// The same with a program of its own.
    #[must_use]
    pub fn with_binary(mut self, binary: &Path) -> Self {
        self.binary = Some(binary.to_owned());
        self
    }

    /// The same, running and ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn started(data_dir: &Path, settings: &[&str]) -> Result<Self> {
        let mut server = Self::new(data_dir, settings)?;
        server.start().await?;
        Ok(server)
    }

    /// Starts the process and waits until it is ready. Returns how long that took.
    pub async fn start(&mut self) -> Result<Duration> {
        let begun = now();
        self.spawn()?;
        while begun.elapsed() < READY_MAX {
            if let Some(status) = self.child.as_mut().context("not started")?.try_wait()? {
                bail!("tracewell ended with {status}; its log: {}", self.log());
            }
            let answer = self
                .http
                .get(format!("{}/-/ready", self.query_url()))
                .send()
                .await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(begun.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!(
            "tracewell is not ready after {READY_MAX:?}; its log: {}",
            self.log()
        )
    }

    /// Runs a verb of the same program against this server.
    ///
    /// # Errors
    /// When it cannot be run at all.
    pub async fn verb(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = tokio::process::Command::new(binary()?);
        command
            .args(arguments)
            .args(["--url", &self.query_url()])
            .kill_on_drop(true);
        Ok(tokio::time::timeout(READY_MAX, command.output()).await??)
    }

    /// Starts the process without waiting.
    pub fn spawn(&mut self) -> Result<()> {
        std::fs::create_dir_all(&self.data_dir)?;
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())?;
        let mut command = Command::new(self.binary.clone().map_or_else(binary, Ok)?);
        command.current_dir(&self.data_dir).arg("serve");
        let addresses = [
            format!("server.data_dir={}", self.data_dir.join("data").display()),
            format!("collector.otlp_grpc.listen=127.0.0.1:{}", self.ports.grpc),
            format!("collector.otlp_http.listen=127.0.0.1:{}", self.ports.http),
            format!("query.listen=127.0.0.1:{}", self.ports.query),
        ];
        for setting in addresses.iter().chain(&self.settings) {
            command.args(["--set", setting]);
        }
        self.child = Some(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()?,
        );
        Ok(())
    }

    /// SIGKILL, and waits until the process is gone.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// SIGTERM; returns the exit code.
    pub fn terminate(&mut self) -> Result<Option<i32>> {
        let Some(mut child) = self.child.take() else {
            bail!("not running")
        };
        let told = Command::new("kill").arg(child.id().to_string()).status()?;
        anyhow::ensure!(told.success(), "kill failed");
        Ok(child.wait()?.code())
    }

    /// Exit code if the process has ended by itself.
    pub fn ended(&mut self) -> Result<Option<i32>> {
        let Some(child) = &mut self.child else {
            return Ok(None);
        };
        Ok(child.try_wait()?.and_then(|status| status.code()))
    }

    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.data_dir.join("data")
    }

    #[must_use]
    pub fn grpc_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.grpc)
    }

    #[must_use]
    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.http)
    }

    #[must_use]
    pub fn query_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.query)
    }

    #[must_use]
    pub fn http_client(&self) -> &reqwest::Client {
        &self.http
    }

    /// Everything the process wrote to stderr so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.data_dir.join("stderr.log")
    }

    /// Sends an OTLP/HTTP protobuf request of spans; true when it was acknowledged.
    pub async fn export(&self, body: Vec<u8>) -> bool {
        let request = self
            .http
            .post(format!("{}/v1/traces", self.http_url()))
            .header("content-type", "application/x-protobuf")
            .body(body);
        request
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
    }

    /// Asks the query port; the status and the JSON body, null if it is none.
    pub async fn get(&self, path: &str) -> Result<(u16, Value)> {
        let answer = self
            .http
            .get(format!("{}{path}", self.query_url()))
            .send()
            .await?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await.unwrap_or(Value::Null)))
    }

    /// One trace by Jaeger's API: its spans, or none if it is not found.
    pub async fn jaeger_trace(&self, id: &str) -> Result<Option<Vec<Value>>> {
        let (status, body) = self.get(&format!("/api/traces/{id}")).await?;
        match status {
            200 => Ok(body["data"][0]["spans"].as_array().cloned()),
            404 => Ok(None),
            _ => bail!("{status} for trace {id}: {body}"),
        }
    }

    /// The same of a trace that was acknowledged just now: its shard may not have read it yet.
    pub async fn acknowledged_trace(&self, id: &str) -> Result<Option<Vec<Value>>> {
        for _ in 0..FOUND_WITHIN.as_millis() / LOOK_AGAIN.as_millis() {
            if let Some(spans) = self.jaeger_trace(id).await? {
                return Ok(Some(spans));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(None)
    }

    /// Sum of a counter or gauge over all label sets that contain each of `labels` (`state="stored"`).
    pub async fn metric(&self, name: &str, labels: &[&str]) -> Result<f64> {
        let text = self
            .http
            .get(format!("{}/metrics", self.query_url()))
            .send()
            .await?
            .text()
            .await?;
        let mut sum = 0.0;
        for line in text
            .lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(name))
        {
            if labels.iter().all(|label| line.contains(label)) {
                sum += line
                    .rsplit(' ')
                    .next()
                    .context("a sample has a value")?
                    .parse::<f64>()?;
            }
        }
        Ok(sum)
    }
}

impl Drop for Tracewell {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            tracing::warn!("cannot kill the server under test: {error}");
        }
    }
}

/// The time on a real clock, for promises of how long something takes.
#[expect(
    clippy::disallowed_methods,
    reason = "tests measure real time from outside the process"
)]
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// The binary under test: `TRACEWELL_BIN`, else the one that `make test` built beside this test.
pub fn binary() -> Result<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the harness is told by the environment which binary to test"
    )]
    if let Ok(path) = std::env::var("TRACEWELL_BIN") {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    let built = test
        .ancestors()
        .nth(2)
        .context("a test lies in target/PROFILE/deps")?
        .join("tracewell");
    anyhow::ensure!(
        built.exists(),
        "{} is not there: run `cargo build -p tracewell-server` first",
        built.display()
    );
    Ok(built)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
