//! The real binary's agent, as it is configured by default, pushing to the real server: on this host, while nothing happens to it, and on a fake one full of
//! containers and processes.

mod fake_host;
mod relay;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use telemetry::Clock;

use super::{NO_SERVER, Settings, absent};
use crate::cost::{cpu_of, memory_of};
use crate::product::Product;
use crate::table::Table;
use fake_host::{N_CONTAINERS, N_PROCESSES};
use relay::Relay;

/// What is measured: three pushes.
const MEASURED_S: u64 = 30;
/// Its start, which reads everything for the first time, is left out.
const START: Duration = Duration::from_secs(5);
const CORE_PERCENT_MAX: f64 = 1.0;
const MEMORY_MIB_MAX: f64 = 50.0;
const SENT_KB_S_MAX: f64 = 8.0;
const ARRIVED: &str = "/api/v1/query?query=count(system_memory_limit_bytes)";

/// Killed when dropped.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        // it may have ended by itself
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What it cost.
struct Cost {
    core_percent: f64,
    peak_mib: f64,
    sent_kb_s: f64,
}

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let Some(binary) = settings.server_binary() else {
        return absent("agent", NO_SERVER);
    };
    let here = measure(settings, &binary, &[])?;
    let n_processes = n_processes(Path::new("/proc"))?;
    table(
        settings,
        &format!("on this host with {n_processes} processes"),
        &here,
    )
    .print()?;

    let folder = tempfile::tempdir()?;
    fake_host::write(folder.path())?;
    let of_host = |path: &str, name: &str| {
        format!("agent.paths.{path}={}", folder.path().join(name).display())
    };
    let paths = [
        of_host("proc", "proc"),
        of_host("sys", "sys"),
        of_host("cgroup", "cgroup"),
        of_host("etc", "etc"),
        of_host("root", ""),
    ];
    let full = measure(settings, &binary, &paths)?;
    let mut table = table(
        settings,
        &format!("on a fake host with {N_CONTAINERS} containers and {N_PROCESSES} processes"),
        &full,
    );
    table.note("files of the kernel cost more to read than those of a disk: see docs/agent.md for a host that is none but real");
    table.print()?;
    Ok(())
}

/// An agent of its own with a server of its own.
fn measure(settings: &Settings, binary: &Path, more: &[String]) -> anyhow::Result<Cost> {
    let folder = tempfile::tempdir()?;
    let server = Product::start(binary, folder.path(), "")?;
    let relay = Relay::to(server.grpc())?;
    let mut agent = started(binary, &relay, more)?;
    std::thread::sleep(START);
    let (clock, cpu_before) = (Clock::host(), cpu_of(agent.0.id())?);
    let (begun, sent_before) = (clock.monotonic(), relay.sent_bytes());
    std::thread::sleep(Duration::from_secs(settings.scaled(MEASURED_S)));
    let wall_s = (clock.monotonic() - begun).as_secs_f64();
    let cpu = cpu_of(agent.0.id())? - cpu_before;
    let sent_bytes = relay.sent_bytes() - sent_before;
    let peak_mib = memory_of(agent.0.id())?.peak_bytes as f64 / f64::from(1 << 20);
    ensure!(agent.0.try_wait()?.is_none(), "the agent ended");
    let (status, answer) = server.get(ARRIVED)?;
    ensure!(
        status == 200 && answer.contains(r#""1""#),
        "nothing of it arrived: {status} {answer}"
    );
    Ok(Cost {
        core_percent: 100.0 * cpu.as_secs_f64() / wall_s,
        peak_mib,
        sent_kb_s: sent_bytes as f64 / 1e3 / wall_s,
    })
}

fn started(binary: &Path, relay: &Relay, more: &[String]) -> anyhow::Result<Agent> {
    let endpoint = format!("agent.endpoint=http://{}", relay.address());
    let settings = more.iter().chain([&endpoint]);
    let child = Command::new(binary)
        .arg("agent")
        .args(settings.flat_map(|setting| ["--set", setting]))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Ok(Agent(child.context("starting the agent")?))
}

fn n_processes(proc: &Path) -> anyhow::Result<usize> {
    let entries = std::fs::read_dir(proc)?.flatten();
    let is_process = |name: &str| name.parse::<u32>().is_ok();
    Ok(entries
        .filter(|entry| is_process(&entry.file_name().to_string_lossy()))
        .count())
}

fn table(settings: &Settings, place: &str, cost: &Cost) -> Table {
    let seconds = settings.scaled(MEASURED_S);
    let mut table = Table::new(
        format!("agent: {seconds} s {place}"),
        &["", "measured", "goal"],
    );
    let figures = [
        (
            "CPU, % of a core",
            format!("{:.2}", cost.core_percent),
            CORE_PERCENT_MAX,
            cost.core_percent,
        ),
        (
            "peak memory, MiB",
            format!("{:.0}", cost.peak_mib),
            MEMORY_MIB_MAX,
            cost.peak_mib,
        ),
        (
            "sent, KB/s",
            format!("{:.2}", cost.sent_kb_s),
            SENT_KB_S_MAX,
            cost.sent_kb_s,
        ),
    ];
    for (name, measured, max, value) in figures {
        let verdict = if value <= max { "met" } else { "MISSED" };
        table.row([name.to_owned(), measured, format!("≤ {max}: {verdict}")]);
    }
    table.note("CPU: user and system of all its threads, its start left out; memory: of the whole process, the text of the binary that it shares with the server included; sent: gzip, with frames and headers");
    table
}
