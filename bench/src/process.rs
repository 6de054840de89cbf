//! A server as a child process on a folder of its own. Seen from outside only: CPU time, memory, files, answers over HTTP.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use telemetry::Clock;

use crate::cost;

/// Longest wait for a start.
const READY_WAIT_MAX: Duration = Duration::from_secs(30);
/// Longest wait for an answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// A running server. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    http: SocketAddr,
    data_dir: PathBuf,
}

impl Process {
    /// Runs `command`, which answers HTTP at `http` and writes below `data_dir`, and waits until `ready_path` is answered with 200. What it says on
    /// stderr goes to a file beside its data.
    ///
    /// # Errors
    /// When it does not start; its log is then part of the error.
    pub fn start(
        mut command: Command,
        http: SocketAddr,
        data_dir: &Path,
        ready_path: &str,
    ) -> anyhow::Result<Self> {
        let program = Path::new(command.get_program()).to_owned();
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let log = data_dir.with_extension("log");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn();
        let child = child.with_context(|| format!("starting {}", program.display()))?;
        let mut process = Self {
            name: name.into_owned(),
            child,
            http,
            data_dir: data_dir.to_owned(),
        };
        process.wait_until_ready(ready_path, &log)?;
        Ok(process)
    }

    fn wait_until_ready(&mut self, path: &str, log: &Path) -> anyhow::Result<()> {
        let clock = Clock::host();
        let begun = clock.monotonic();
        loop {
            if self.get(path).is_ok_and(|(status, _)| status == 200) {
                return Ok(());
            }
            let ended = self.child.try_wait()?;
            if ended.is_some() || clock.monotonic() - begun > READY_WAIT_MAX {
                let log = std::fs::read_to_string(log).unwrap_or_default();
                let name = &self.name;
                bail!("{name} is not ready (ended: {ended:?}); its log: {log}");
            }
            std::thread::sleep(POLL);
        }
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it answers HTTP.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// CPU time of all its threads so far.
    ///
    /// # Errors
    /// When it ended.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        cost::cpu_of(self.pid()).with_context(|| format!("reading the CPU time of {}", self.name))
    }

    /// Its memory now and at most.
    ///
    /// # Errors
    /// When it ended.
    pub fn memory(&self) -> anyhow::Result<cost::Memory> {
        cost::memory_of(self.pid()).with_context(|| format!("reading the memory of {}", self.name))
    }

    /// Bytes of the files in `folder` of its data.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn bytes_of(&self, folder: &str) -> anyhow::Result<u64> {
        cost::folder_bytes(&self.data_dir.join(folder))
            .with_context(|| format!("measuring the folder {folder}"))
    }

    /// Asks with GET: status and body.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        self.ask("GET", path)
    }

    /// Asks without a body: status and body of the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn ask(&self, method: &str, path: &str) -> anyhow::Result<(u16, String)> {
        ask(self.http, method, path)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended; nothing can be done about a child that cannot be killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Asks a server over HTTP without a body: status and body of the answer.
///
/// # Errors
/// When there is no answer.
pub fn ask(http: SocketAddr, method: &str, path: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect(http)?;
    stream.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
    write!(stream, "{method} {path} HTTP/1.0\r\nhost: {http}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("an answer has a head and a body")?;
    let status = head
        .split(' ')
        .nth(1)
        .context("an answer has a status")?
        .parse()?;
    Ok((status, body.to_owned()))
}

/// The first words that a binary says of its version, or its file name.
#[must_use]
pub fn version(binary: &Path) -> String {
    let name = binary.file_name().unwrap_or_default().to_string_lossy();
    let told = Command::new(binary).arg("--version").output();
    let told = told.map(|told| [told.stdout, told.stderr].concat());
    let told = String::from_utf8_lossy(&told.unwrap_or_default()).into_owned();
    let number = told
        .split(|c: char| c.is_whitespace() || c == '-' || c == ',')
        .map(|word| word.trim_start_matches('v'))
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'));
    number.map_or(name.to_string(), |number| format!("{name} {number}"))
}

/// A port of this machine that nobody listens on.
///
/// # Errors
/// When there is none.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
