//! `tracewell` and `tracewell serve`: run the server until it is told to stop.

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use telemetry::Clock;

use super::print::complain;
use super::runtime::block_on;
use crate::app::{App, StartError, StopCause};
use crate::config::Layered;
use crate::exit::Exit;
use crate::logging;

pub(super) fn run(layered: Layered) -> Exit {
    logging::install(&layered.config.server.log, Clock::host());
    block_on(Builder::new_multi_thread(), "tracewell", serve(layered))
}

async fn serve(layered: Layered) -> Exit {
    let app = match App::start(layered.config, Clock::host()).await {
        Ok(app) => app,
        Err(error) => {
            complain(&error);
            return start_exit(&error);
        }
    };
    complain(app.greeting());
    let asked = CancellationToken::new();
    let mut running = std::pin::pin!(app.run(asked.clone()));
    tokio::select! {
        cause = &mut running => return stop_exit(&cause),
        () = told_to_stop() => asked.cancel(),
    }
    // A second signal does not wait for what is under way: nothing acknowledged depends on a clean stop.
    tokio::select! {
        cause = running => stop_exit(&cause),
        () = told_to_stop() => Exit::Interrupted,
    }
}

/// Returns at SIGTERM or SIGINT.
pub(super) async fn told_to_stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::warn!(
            code = "TW1004",
            "signals cannot be caught; stop this process with SIGKILL, which loses nothing"
        );
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn start_exit(error: &StartError) -> Exit {
    match error {
        StartError::Bind { .. } => Exit::Unavailable,
        StartError::Exposed { .. } => Exit::Usage,
        StartError::DataDirectory { .. } => Exit::DataDirectory,
        StartError::Part { .. } => Exit::Failed,
    }
}

fn stop_exit(cause: &StopCause) -> Exit {
    match cause {
        StopCause::Asked => Exit::Done,
        StopCause::ReadOnly => Exit::Disk,
        StopCause::Failed => Exit::Failed,
    }
}
