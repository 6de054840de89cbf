//! `tracewell import FILE…`: sends files to the server, which keeps their spans with their own times.

use std::path::{Path, PathBuf};

use super::print;
use super::remote::{RemoteError, client, send};

/// Largest file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 30;

pub(super) async fn send_all(url: &str, files: &[PathBuf]) -> Result<(), RemoteError> {
    let http = client();
    for (index, file) in files.iter().enumerate() {
        let body = read(file)?;
        let answer: serde_json::Value = {
            let response = send(
                http.post(format!("{url}/api/tracewell/v1/import"))
                    .body(body),
            )
            .await?;
            let address = response.url().to_string();
            response
                .json()
                .await
                .map_err(|error| RemoteError::BadAnswer {
                    url: address,
                    what: error.to_string(),
                })?
        };
        let count = |key: &str| answer[key].as_u64().unwrap_or(0);
        let (spans, rejected) = (count("accepted_spans"), count("rejected_spans"));
        print::complain(format_args!(
            "{}/{} {}: {spans} spans accepted, {rejected} rejected",
            index + 1,
            files.len(),
            file.display()
        ));
        print::line(answer);
    }
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>, RemoteError> {
    let told = |what: String| RemoteError::BadInput(format!("{}: {what}", file.display()));
    let size_bytes = std::fs::metadata(file)
        .map_err(|error| told(error.to_string()))?
        .len();
    if size_bytes > FILE_BYTES_MAX {
        return Err(told(format!(
            "{size_bytes} bytes, over the limit of {FILE_BYTES_MAX}"
        )));
    }
    std::fs::read(file).map_err(|error| told(error.to_string()))
}
