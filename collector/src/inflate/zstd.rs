//! zstd: every frame, as a stream, with a window of at most 8 MiB.

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::{Sink, damaged};
use crate::answer::Refusal;

/// Largest window, as a power of two: 8 MiB, what RFC 8878 asks every decoder to support.
const WINDOW_LOG_MAX: u32 = 23;

pub(super) fn inflate(
    decoder: &mut Option<Decoder<'static>>,
    body: &[u8],
    sink: &mut Sink<'_>,
) -> Result<(), Refusal> {
    let decoder = match decoder {
        Some(decoder) => decoder,
        none => none.insert(create().map_err(damaged)?),
    };
    decoder.reinit().map_err(damaged)?;
    if body.is_empty() {
        return Err(damaged("zstd is cut short"));
    }
    let mut input = InBuffer::around(body);
    loop {
        let room = sink.room()?;
        let n_room = room.len();
        let mut output = OutBuffer::around(room);
        let wanted = decoder.run(&mut input, &mut output).map_err(damaged)?;
        let n = output.pos();
        sink.fill(n)?;
        if input.pos() < body.len() {
            continue;
        }
        if wanted == 0 {
            return Ok(());
        }
        // With room left over, all that the input holds has come out.
        if n < n_room {
            return Err(damaged("zstd is cut short"));
        }
    }
}

fn create() -> std::io::Result<Decoder<'static>> {
    let mut decoder = Decoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
    Ok(decoder)
}
