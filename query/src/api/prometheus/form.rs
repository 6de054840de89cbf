//! Parameters of a request: of its query string, and of its body when it is a POST. In: a request. Out: pairs, those of the body first.

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{Method, header};

use crate::read::parameters::Parameters;
use crate::refusal::Refusal;

/// Longest form, in bytes: a text of 32 KiB is at most three times as long when it is escaped.
const FORM_BYTES_MAX: usize = 128 << 10;
const FORM_TYPE: &str = "application/x-www-form-urlencoded";

/// The parameters of one request.
#[derive(Debug)]
pub(super) struct Form(pub(super) Parameters);

impl<S: Sync> FromRequest<S> for Form {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let of_query = Parameters::of_query(request.uri().query())?;
        if request.method() != Method::POST {
            return Ok(Self(of_query));
        }
        check_type(&request)?;
        let body = to_bytes(request.into_body(), FORM_BYTES_MAX).await;
        let body = body.map_err(|_| {
            Refusal::invalid(format!(
                "the form cannot be read whole, or has over {FORM_BYTES_MAX} bytes"
            ))
        })?;
        Ok(Self(Parameters::of_form(&body).followed_by(of_query)))
    }
}

fn check_type(request: &Request) -> Result<(), Refusal> {
    let Some(told) = request.headers().get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let essence = told.as_bytes().split(|byte| *byte == b';').next();
    let essence = essence.unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(FORM_TYPE.as_bytes()) {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "a POST has its parameters as {FORM_TYPE}, this says {told:?}"
    )))
}
