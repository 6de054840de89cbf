//! What verbs run on: a runtime of tokio, made and told of in one way.

use std::future::Future;

use tokio::runtime::Builder;

use super::print::complain;
use crate::exit::Exit;

/// Runs `work` on what `builder` makes, whose threads have `name`, to its end.
pub(super) fn block_on(mut builder: Builder, name: &str, work: impl Future<Output = Exit>) -> Exit {
    match builder.enable_all().thread_name(name).build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => {
            complain(format_args!("cannot start: {error}"));
            Exit::Failed
        }
    }
}
