//! Parameters of a request: of its query string, and of its body when it is a POST. In: a request. Out: pairs, those of the body first.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{Method, header};
use futures::StreamExt;

use crate::read::parameters::Parameters;
use crate::refusal::Refusal;

/// Longest form, in bytes: a text of 32 KiB is at most three times as long when it is escaped.
const FORM_BYTES_MAX: usize = 128 << 10;
/// Bytes of a form that are read and thrown away although it is too long: whoever still sends would else see its connection cut, and no reason.
const UNWANTED_BYTES_MAX: usize = 4 << 20;
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
        let body = read(request.into_body()).await.ok_or_else(|| {
            Refusal::invalid(format!(
                "the form cannot be read whole, or has over {FORM_BYTES_MAX} bytes"
            ))
        })?;
        Ok(Self(Parameters::of_form(&body).followed_by(of_query)))
    }
}

/// A whole form; none if it is cut or too long.
async fn read(body: Body) -> Option<Vec<u8>> {
    let mut chunks = body.into_data_stream();
    let (mut form, mut n_bytes) = (Vec::new(), 0_usize);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.ok()?;
        n_bytes = n_bytes.saturating_add(chunk.len());
        if n_bytes <= FORM_BYTES_MAX {
            form.extend_from_slice(&chunk);
        } else if n_bytes > UNWANTED_BYTES_MAX {
            return None;
        }
    }
    (n_bytes <= FORM_BYTES_MAX).then_some(form)
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
