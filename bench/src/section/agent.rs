//! The real binary's agent on this host, as it is configured by default, pushing to the real server: what it costs while nothing happens to it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use telemetry::Clock;

use super::{NO_SERVER, Settings, absent};
use crate::cost::{cpu_of, memory_of};
use crate::product::Product;
use crate::table::Table;

/// What is measured: three pushes.
const MEASURED_S: u64 = 30;
/// Its start, which reads everything for the first time, is left out.
const START: Duration = Duration::from_secs(5);
const CORE_PERCENT_MAX: f64 = 1.0;
const MEMORY_MIB_MAX: f64 = 50.0;
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

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let Some(binary) = settings.server_binary() else {
        return absent("agent", NO_SERVER);
    };
    let folder = tempfile::tempdir()?;
    let server = Product::start(&binary, folder.path(), "")?;
    let mut agent = started(&binary, &server)?;
    std::thread::sleep(START);
    let (clock, cpu_before) = (Clock::host(), cpu_of(agent.0.id())?);
    let begun = clock.monotonic();
    std::thread::sleep(Duration::from_secs(settings.scaled(MEASURED_S)));
    let wall = clock.monotonic() - begun;
    let cpu = cpu_of(agent.0.id())? - cpu_before;
    let peak_mib = memory_of(agent.0.id())?.peak_bytes as f64 / f64::from(1 << 20);
    ensure!(agent.0.try_wait()?.is_none(), "the agent ended");
    let (status, answer) = server.get(ARRIVED)?;
    ensure!(
        status == 200 && answer.contains(r#""1""#),
        "nothing of it arrived: {status} {answer}"
    );
    let core_percent = 100.0 * cpu.as_secs_f64() / wall.as_secs_f64();
    table(wall, core_percent, peak_mib)?.print()?;
    Ok(())
}

fn started(binary: &Path, server: &Product) -> anyhow::Result<Agent> {
    let endpoint = format!("agent.endpoint=http://{}", server.grpc());
    let child = Command::new(binary)
        .args(["agent", "--set", &endpoint])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Ok(Agent(child.context("starting the agent")?))
}

fn table(wall: Duration, core_percent: f64, peak_mib: f64) -> anyhow::Result<Table> {
    let n_processes = std::fs::read_dir("/proc")?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
        .count();
    let seconds = wall.as_secs_f64();
    let mut table = Table::new(
        format!("agent: {seconds:.0} s on this host with {n_processes} processes"),
        &["", "measured", "goal"],
    );
    let verdict = |value: f64, max: f64| if value <= max { "met" } else { "MISSED" };
    table.row([
        "CPU, % of a core".to_owned(),
        format!("{core_percent:.2}"),
        format!(
            "≤ {CORE_PERCENT_MAX}: {}",
            verdict(core_percent, CORE_PERCENT_MAX)
        ),
    ]);
    table.row([
        "peak memory, MiB".to_owned(),
        format!("{peak_mib:.0}"),
        format!("≤ {MEMORY_MIB_MAX}: {}", verdict(peak_mib, MEMORY_MIB_MAX)),
    ]);
    table.note("CPU: user and system of all its threads, its start left out; memory: of the whole process, the text of the binary that it shares with the server included");
    Ok(table)
}
