//! What is wrong with bytes, and where: a reason and the path of the field, built only when something is wrong.

use std::fmt::{self, Write as _};

/// Longest text of a fault, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    Varint,
    Key,
    WireType,
    Cut,
    Group,
    Depth,
    Utf8,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Varint => "a varint is cut short or longer than 64 bits",
            Self::Key => "a field key is invalid",
            Self::WireType => "a field has the wrong wire type",
            Self::Cut => "a length reaches past the end",
            Self::Group => "a group ends that did not begin",
            Self::Depth => "nested deeper than 100 levels",
            Self::Utf8 => "invalid UTF-8",
        })
    }
}

/// A flaw with the path to it, innermost step first while it is handed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    flaw: Flaw,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(&'static str),
    Item(&'static str, u32),
}

pub(crate) type Faulty<T> = Result<T, Box<Fault>>;

impl From<Flaw> for Box<Fault> {
    #[cold]
    fn from(flaw: Flaw) -> Self {
        Box::new(Fault {
            flaw,
            steps: Vec::new(),
        })
    }
}

/// Says where a flaw lies, on its way up.
pub(crate) trait At<T> {
    fn at(self, field: &'static str) -> Faulty<T>;
    fn at_item(self, field: &'static str, idx: u32) -> Faulty<T>;
}

impl<T, E: Into<Box<Fault>>> At<T> for Result<T, E> {
    #[inline(always)]
    fn at(self, field: &'static str) -> Faulty<T> {
        self.map_err(|error| step(error.into(), Step::Field(field)))
    }

    #[inline(always)]
    fn at_item(self, field: &'static str, idx: u32) -> Faulty<T> {
        self.map_err(|error| step(error.into(), Step::Item(field, idx)))
    }
}

#[cold]
fn step(mut fault: Box<Fault>, step: Step) -> Box<Fault> {
    fault.steps.push(step);
    fault
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut path = String::new();
        let mut dot = "";
        for step in self.steps.iter().rev() {
            match step {
                Step::Field(name) => {
                    path.push_str(dot);
                    push_snake(name, &mut path);
                }
                Step::Item(name, idx) => {
                    path.push_str(dot);
                    push_snake(name, &mut path);
                    write!(path, "[{idx}]")?;
                }
            }
            dot = ".";
        }
        let reason = self.flaw.to_string();
        let path_bytes_max = TEXT_BYTES_MAX - reason.len() - "...: ".len();
        match path.get(..path_bytes_max) {
            _ if path.is_empty() => f.write_str(&reason),
            Some(begin) => write!(f, "{begin}...: {reason}"),
            None => write!(f, "{path}: {reason}"),
        }
    }
}

/// Appends a name as protobuf spells it, whatever table it stands in.
fn push_snake(name: &str, out: &mut String) {
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
}

/// Why bytes are refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// No OTLP: prost refuses it as well. Names the field, in at most 256 bytes.
    #[error("{0}")]
    Malformed(String),
    /// More spans or points, or messages around them, than a request may have.
    #[error("more than {spans_max} items")]
    TooManyItems { spans_max: u32 },
    /// Positions are 32 bits.
    #[error("{n_bytes} bytes are more than 4 GiB")]
    TooLarge { n_bytes: usize },
}

/// Why a walk stopped.
pub(crate) enum Stop {
    Fault(Box<Fault>),
    TooManyItems,
}

impl From<Box<Fault>> for Stop {
    fn from(fault: Box<Fault>) -> Self {
        Self::Fault(fault)
    }
}

impl From<Flaw> for Stop {
    fn from(flaw: Flaw) -> Self {
        Self::Fault(flaw.into())
    }
}

/// [`At`] for what may stop for another reason as well.
pub(crate) fn stop_at(stop: Stop, field: &'static str, idx: u32) -> Stop {
    match stop {
        Stop::Fault(fault) => Stop::Fault(step(fault, Step::Item(field, idx))),
        Stop::TooManyItems => stop,
    }
}

impl Stop {
    pub(crate) fn into_error(self, spans_max: u32) -> WalkError {
        match self {
            Self::Fault(fault) => WalkError::Malformed(fault.to_string()),
            Self::TooManyItems => WalkError::TooManyItems { spans_max },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_the_field_in_a_bounded_text() {
        let flawed: Result<(), Flaw> = Err(Flaw::Utf8);
        let fault = flawed
            .at("key")
            .at_item("attributes", 3)
            .expect_err("flawed");
        assert_eq!(fault.to_string(), "attributes[3].key: invalid UTF-8");
        let mut deep: Faulty<()> = Err(fault);
        for idx in 0..100 {
            deep = deep.at_item("values", idx);
        }
        let text = deep.expect_err("flawed").to_string();
        assert!(
            text.len() <= TEXT_BYTES_MAX && text.ends_with("...: invalid UTF-8"),
            "{text}"
        );
    }
}
