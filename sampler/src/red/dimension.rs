//! Dimensions: attributes of spans that become labels of their series, as a policy says (docs/decisions/192), and how many series there may be. In: names.
//! Out: labels and, of a span, values.

use telemetry::semconv;
use telemetry::wire::{Attributes, SpanView};

use super::SERIES_OF_TENANT_MAX;
use super::quota::SeriesMax;

/// Dimensions at most.
pub const DIMENSIONS_MAX: usize = 8;
/// Bytes of a value that become a label.
const VALUE_BYTES_MAX: usize = 128;
/// Bytes of the name of an attribute.
const NAME_BYTES_MAX: usize = 128;
/// Labels that series of spans have anyway, or that mean something else to tools.
const RESERVED: [&str; 13] = [
    "deployment_environment",
    "instance",
    "job",
    "le",
    "metric_overflow",
    "otel_metric_overflow",
    "service",
    "service_name",
    "service_namespace",
    "service_version",
    "span_kind",
    "span_name",
    "status_code",
];

/// Attributes with the labels that they become, and a bound for the series that they make.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dimensions {
    all: Vec<Dimension>,
    pub series_max: SeriesMax,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Dimension {
    attribute: String,
    label: String,
}

/// Why names are no dimensions, or bounds are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DimensionError {
    #[error("dimensions: {n}, over the limit of {DIMENSIONS_MAX}")]
    TooMany { n: usize },
    #[error("dimensions: {name:?} is no name of an attribute: 1 to {NAME_BYTES_MAX} bytes")]
    Name { name: String },
    #[error("series_max and span_names_max are 1 to {SERIES_OF_TENANT_MAX}")]
    SeriesMax,
    #[error(
        "dimensions: {name:?} would be the label {label:?}, which series of spans have already"
    )]
    Taken { name: String, label: String },
}

impl Dimensions {
    /// # Errors
    /// When there are too many, or two would be one label, or memory would have no bound.
    pub fn of(names: &[String], series_max: SeriesMax) -> Result<Self, DimensionError> {
        if names.len() > DIMENSIONS_MAX {
            return Err(DimensionError::TooMany { n: names.len() });
        }
        if !series_max.is_sound() {
            return Err(DimensionError::SeriesMax);
        }
        let mut all: Vec<Dimension> = Vec::with_capacity(names.len());
        for name in names {
            if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
                let name = name.chars().take(NAME_BYTES_MAX).collect();
                return Err(DimensionError::Name { name });
            }
            let label = semconv::label_of(name);
            let is_taken = RESERVED.contains(&label.as_str())
                || label.starts_with("__")
                || all.iter().any(|other| other.label == label);
            if is_taken {
                let name = name.clone();
                return Err(DimensionError::Taken { name, label });
            }
            let attribute = name.clone();
            all.push(Dimension { attribute, label });
        }
        Ok(Self { all, series_max })
    }

    /// Writes the values that a span has: its own, else its resource's, else nothing.
    pub(super) fn read(&self, span: &SpanView<'_>, values: &mut Vec<String>) {
        values.clear();
        let of = |mut attributes: Attributes<'_>, name: &str| {
            let (_, value) = attributes.find(|(key, _)| *key == name)?;
            Some(cut(&value.text()).to_owned())
        };
        values.extend(self.all.iter().map(|dimension| {
            let name = dimension.attribute.as_str();
            let own = of(span.attributes(), name);
            let value = own.or_else(|| of(span.resource().attributes(), name));
            value.unwrap_or_default()
        }));
    }

    /// Labels with values that are not empty.
    pub(super) fn labels<'a>(
        &'a self,
        values: &'a [String],
    ) -> impl Iterator<Item = (String, String)> + 'a {
        let pairs = self.all.iter().zip(values);
        let there = pairs.filter(|(_, value)| !value.is_empty());
        there.map(|(dimension, value)| (dimension.label.clone(), value.clone()))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(VALUE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_labels_of_which_each_is_one() {
        #[track_caller]
        fn check(names: &[&str], expected: Result<&[&str], &str>) {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let found = Dimensions::of(&names, SeriesMax::default());
            match (&found, expected) {
                (Ok(found), Ok(labels)) => {
                    assert!(
                        found.all.iter().map(|one| &one.label).eq(labels),
                        "{names:?}"
                    );
                }
                (Err(error), Err(why)) => {
                    assert!(error.to_string().contains(why), "{names:?}: {error}");
                }
                _ => panic!("{names:?}: {found:?}"),
            }
        }
        check(&[], Ok(&[]));
        check(
            &["http.route", "team", "3d"],
            Ok(&["http_route", "team", "key_3d"]),
        );
        check(&["service.name"], Err("service_name"));
        check(&["status.code"], Err("status_code"));
        check(&["__x"], Err("__x"));
        check(&["a.b", "a_b"], Err("\"a_b\""));
        check(&[""], Err("no name"));
        check(
            &["1", "2", "3", "4", "5", "6", "7", "8", "9"],
            Err("dimensions: 9"),
        );
    }
}
