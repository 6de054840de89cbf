//! What the agent costs on this machine: `cargo run --release -p tracewell-agent --example cost -- [seconds] [endpoint]`.
//!
//! It runs the agent as it is configured by default, in a thread of its own, and prints the CPU time and memory of this process. Without an endpoint it sends to
//! where nobody listens, so that what it buffers is counted too.
#![expect(clippy::print_stdout, reason = "figures are its output")]

use std::time::Duration;

use agent::{Agent, Config};
use telemetry::Clock;
use tokio_util::sync::CancellationToken;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(Ok(60), |text| text.parse())?;
    let config = Config {
        endpoint: arguments
            .next()
            .unwrap_or_else(|| "http://127.0.0.1:9".to_owned()),
        ..Config::default()
    };
    let agent = Agent::new(config, Clock::host())?;
    let stop = CancellationToken::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let before_s = cpu_s()?;
    runtime.block_on(async {
        let stopping = async {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            stop.cancel();
        };
        tokio::join!(agent.run(stop.clone()), stopping).0
    })?;
    let used_s = cpu_s()? - before_s;
    println!(
        "{seconds} s: {:.3} s of CPU = {:.2} % of a core",
        used_s,
        100.0 * used_s / seconds as f64
    );
    for line in std::fs::read_to_string("/proc/self/status")?.lines() {
        if line.starts_with("VmHWM") || line.starts_with("VmRSS") {
            println!("{line}");
        }
    }
    Ok(())
}

/// CPU time of this process, by the scheduler's own count in ns.
fn cpu_s() -> Result<f64, Box<dyn std::error::Error>> {
    let mut ns = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let content = std::fs::read_to_string(task?.path().join("schedstat"))?;
        ns += content.split(' ').next().unwrap_or("0").parse::<u64>()?;
    }
    Ok(ns as f64 / 1e9)
}
