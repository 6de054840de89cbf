//! `tracewell agent`: read this host until told to stop, and push what it shows. In: `[agent]`. Out: OTLP to `agent.endpoint`.
//!
//! It is a process of its own, so that a host without a server has one too and a server that stops loses no reading: they wait in the agent's memory.

use agent::{Agent, RunError};
use telemetry::Clock;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use super::print::complain;
use super::runtime::block_on;
use super::serve::told_to_stop;
use crate::config::Layered;
use crate::exit::Exit;
use crate::logging;

pub(super) const EXAMPLES: &str = "Examples:
  tracewell agent                                                     figures of this host to http://127.0.0.1:4317
  tracewell agent --set agent.endpoint=http://collector:4317
  tracewell agent --set 'agent.attributes={\"deployment.environment.name\"=\"prod\"}'
  TRACEWELL__AGENT__INTERVAL=5s tracewell agent

It needs no rights; as root it also sees open files and disk I/O of other users' processes, which of them send spans, and the network of containers.";

pub(super) fn run(layered: Layered) -> Exit {
    logging::install(&layered.config.server.log, Clock::host());
    let config = layered.config.agent;
    let greeting = format!(
        "agent: reads each {} and sends to {}; a collector that is away is waited for",
        duration(config.interval),
        config.endpoint
    );
    let agent = match Agent::new(config, Clock::host()) {
        Ok(agent) => agent,
        Err(error) => {
            complain(format_args!(
                "[agent]: {error}; `tracewell config print` shows where each setting comes from"
            ));
            return Exit::Usage;
        }
    };
    complain(greeting);
    // One thread: what an agent reads is off it, and it may cost a hundredth of a core.
    let builder = Builder::new_current_thread();
    block_on(builder, "tracewell-agent", until_stopped(agent))
}

async fn until_stopped(agent: Agent) -> Exit {
    let stop = CancellationToken::new();
    let mut running = std::pin::pin!(agent.run(stop.clone()));
    tokio::select! {
        ended = &mut running => return exit(ended),
        () = told_to_stop() => stop.cancel(),
    }
    // A second signal does not wait for what is still to be sent.
    tokio::select! {
        ended = running => exit(ended),
        () = told_to_stop() => Exit::Interrupted,
    }
}

fn exit(ended: Result<(), RunError>) -> Exit {
    match ended {
        Ok(()) => Exit::Done,
        Err(error) => {
            complain(format_args!(
                "the agent stopped: {error}; start it again, and tell us what stands above"
            ));
            Exit::Failed
        }
    }
}

fn duration(of: std::time::Duration) -> String {
    if of.subsec_millis() == 0 {
        format!("{} s", of.as_secs())
    } else {
        format!("{} ms", of.as_millis())
    }
}
