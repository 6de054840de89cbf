//! What is around every answer: `{"status":"success","data":…}` with warnings and infos where there are some.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use crate::Query;
use crate::api::{json_bytes, marked};
use crate::refusal::{Kind, Refusal};
use crate::trace::found::Marks;

/// Warnings of one answer at most; more are counted in the last one.
const NOTES_MAX: usize = 10;

/// An answer before it is sent.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// JSON already.
    data: Vec<u8>,
    pub(super) warnings: Vec<String>,
    pub(super) infos: Vec<String>,
}

impl Answer {
    pub(super) fn of(data: &impl Serialize) -> Result<Self, Refusal> {
        let data = serde_json::to_vec(data).map_err(|error| {
            let text = format!("the answer could not be written: {error}");
            Refusal::new(Kind::Internal, text)
        })?;
        Ok(Self::of_json(data))
    }

    pub(super) fn of_json(data: Vec<u8>) -> Self {
        Self {
            data,
            ..Self::default()
        }
    }

    /// Cuts a list at `limit`, 0 being none, and says so as Prometheus does.
    pub(super) fn of_list<T: Serialize>(mut list: Vec<T>, limit: usize) -> Result<Self, Refusal> {
        let cut = limit > 0 && list.len() > limit;
        if cut {
            list.truncate(limit);
        }
        let mut answer = Self::of(&list)?;
        if cut {
            answer.warnings.push(CUT.to_owned());
        }
        Ok(answer)
    }

    /// Puts the answer into its envelope, and its marks into the headers.
    pub(super) fn sent(mut self, query: &Query, marks: &Marks) -> Result<Response, Refusal> {
        if marks.partial.contains(&"lag") {
            self.warnings.push(LAGS.to_owned());
        }
        let bytes_max = query.0.config.answer_bytes_max;
        if self.data.len() as u64 > bytes_max {
            let text = format!(
                "the answer has {} bytes, at most {bytes_max} are sent; ask for fewer series or points",
                self.data.len()
            );
            return Err(Refusal::new(Kind::TooLarge, text));
        }
        let mut bytes = Vec::with_capacity(self.data.len().saturating_add(256));
        bytes.extend_from_slice(br#"{"status":"success","data":"#);
        bytes.append(&mut self.data);
        notes("warnings", self.warnings, &mut bytes)?;
        notes("infos", self.infos, &mut bytes)?;
        bytes.push(b'}');
        let mut response = json_bytes(StatusCode::OK, bytes);
        marked(query, marks, response.headers_mut());
        Ok(response)
    }
}

/// Prometheus' words.
pub(super) const CUT: &str = "results truncated due to limit";
const LAGS: &str =
    "the store still reads what the log has: points that were accepted may be missing";

fn notes(name: &str, mut notes: Vec<String>, bytes: &mut Vec<u8>) -> Result<(), Refusal> {
    if notes.is_empty() {
        return Ok(());
    }
    let n_more = notes.len().saturating_sub(NOTES_MAX);
    if n_more > 0 {
        notes.truncate(NOTES_MAX);
        notes.push(format!("{n_more} more {name} omitted"));
    }
    let json = Answer::of(&notes)?.data;
    bytes.extend_from_slice(format!(",\"{name}\":").as_bytes());
    bytes.extend_from_slice(&json);
    Ok(())
}
