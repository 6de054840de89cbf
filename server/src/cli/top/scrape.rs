//! `/metrics` as text, read. In: the exposition format. Out: samples that can be added up by name and label. Pure.

/// The samples of one reading. Lines that are none are passed over.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Scrape(Vec<Sample>);

#[derive(Debug, Clone, PartialEq)]
struct Sample {
    name: String,
    /// As they stand between the braces.
    labels: String,
    value: f64,
}

impl Scrape {
    pub(super) fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(sample).collect())
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.0.iter().filter(move |sample| sample.name == name)
    }

    /// Of all label sets; 0 if there is none.
    pub(super) fn sum(&self, name: &str) -> f64 {
        self.values(name).map(|sample| sample.value).sum()
    }

    /// Of those label sets whose `label` has none of `values`.
    pub(super) fn sum_without(&self, name: &str, label: &str, values: &[&str]) -> f64 {
        let has = |sample: &Sample| {
            let is = |value: &&str| sample.labels.contains(&format!("{label}=\"{value}\""));
            values.iter().any(is)
        };
        let others = self.values(name).filter(|sample| !has(sample));
        others.map(|sample| sample.value).sum()
    }

    /// The least of all label sets.
    pub(super) fn min(&self, name: &str) -> Option<f64> {
        self.values(name)
            .map(|sample| sample.value)
            .min_by(f64::total_cmp)
    }
}

fn sample(line: &str) -> Option<Sample> {
    if line.starts_with('#') {
        return None;
    }
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (series, ""),
    };
    Some(Sample {
        name: name.to_owned(),
        labels: labels.to_owned(),
        value: value.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_added_up_by_name_and_label() {
        let text = "# HELP x y\nx_total{code=\"200\",a=\"b c\"} 2\nx_total{code=\"500\"} 3\nx_total 1\ny 0.5\nz{ 1\nbroken\nw{a=\"}\"} NaN\n# EOF\n";
        let scrape = Scrape::parse(text);
        assert_eq!(
            (scrape.sum("x_total"), scrape.sum("y"), scrape.sum("none")),
            (6.0, 0.5, 0.0)
        );
        assert_eq!(scrape.sum_without("x_total", "code", &["200", "OK"]), 4.0);
        assert_eq!(
            (scrape.min("x_total"), scrape.min("none")),
            (Some(1.0), None)
        );
    }
}
