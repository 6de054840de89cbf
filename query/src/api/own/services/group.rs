//! What spans of a service are put together by: operation and kind, and what is asked for with `group`.

use serde::Serialize;

use crate::map::spans::By;
use crate::read::parameters::Parameters;
use crate::refusal::Refusal;

/// The values of one row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Group {
    pub(super) operation: String,
    /// `server`, `client`, …
    pub(super) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) env: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) instance: Option<String>,
}

const OPERATION: By = &["span_name", "span_kind"];
const VERSION: By = &["span_name", "span_kind", "service_version"];
const ENV: By = &["span_name", "span_kind", "deployment_environment"];
const INSTANCE: By = &["span_name", "span_kind", "service_instance_id"];

impl Group {
    /// Labels that a request puts spans together by.
    pub(super) fn by(parameters: &Parameters) -> Result<By, Refusal> {
        match parameters.text("group") {
            None => Ok(OPERATION),
            Some("version") => Ok(VERSION),
            Some("env") => Ok(ENV),
            Some("instance") => Ok(INSTANCE),
            Some(_) => Err(Refusal::invalid(
                "unable to parse param 'group': expected version, instance or env",
            )),
        }
    }

    /// Those of them that series of spans have: spans are not counted by instance.
    pub(super) fn counted(by: By) -> By {
        if by == INSTANCE { OPERATION } else { by }
    }

    pub(super) fn of(key: &[String], by: By) -> Self {
        let part = |at: usize| key.get(at).cloned().unwrap_or_default();
        let third = |of: By| (by == of).then(|| part(2));
        Self {
            operation: part(0),
            kind: kind(&part(1)),
            version: third(VERSION),
            env: third(ENV),
            instance: third(INSTANCE),
        }
    }

    /// Decides between rows that are equal else.
    pub(super) fn name(&self) -> String {
        let third = [&self.version, &self.env, &self.instance];
        format!("{} {} {third:?}", self.operation, self.kind)
    }
}

/// `SPAN_KIND_SERVER` as `server`.
fn kind(label: &str) -> String {
    label
        .strip_prefix("SPAN_KIND_")
        .unwrap_or(label)
        .to_lowercase()
}
