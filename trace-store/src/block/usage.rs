//! What a row's spans of one operation were like, in three bytes: enough to pass by most rows in which no single span meets a filter.

use telemetry::wire::StatusCode;

use crate::Filter;

/// Durations as codes (see [`duration_code`]), and the statuses that occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) shortest: u8,
    pub(crate) longest: u8,
    /// Bit s: a span of status s (OTLP's number).
    pub(crate) statuses: u8,
}

impl Usage {
    pub(crate) fn of(duration_ns: u64, status: StatusCode) -> Self {
        let code = duration_code(duration_ns);
        Self {
            shortest: code,
            longest: code,
            statuses: 1 << (status as u8),
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.shortest = self.shortest.min(other.shortest);
        self.longest = self.longest.max(other.longest);
        self.statuses |= other.statuses;
    }

    /// Whether a span among them may have the filter's duration and status.
    pub(crate) fn may_meet(self, filter: &Filter) -> bool {
        filter
            .duration_min_ns
            .is_none_or(|min| duration_code(min) <= self.longest)
            && filter
                .duration_max_ns
                .is_none_or(|max| self.shortest <= duration_code(max))
            && filter
                .status
                .is_none_or(|status| self.statuses >> (status as u8) & 1 == 1)
    }
}

/// Four codes an octave: the exponent and the two bits behind the leading one. A longer duration never has a smaller code.
fn duration_code(duration_ns: u64) -> u8 {
    let exponent = duration_ns.max(1).ilog2();
    let below_leading = (u128::from(duration_ns) << 2 >> exponent) as u8 & 3;
    exponent as u8 * 4 + below_leading
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_duration_never_has_a_smaller_code() {
        let ends = (0..64).flat_map(|exponent| {
            (0..8u64)
                .map(move |step| (1u64 << exponent).saturating_add((1u64 << exponent) / 8 * step))
        });
        let mut durations: Vec<u64> = ends.chain([0, u64::MAX]).collect();
        durations.sort_unstable();
        assert!(
            durations
                .windows(2)
                .all(|pair| duration_code(pair[0]) <= duration_code(pair[1]))
        );
        assert_eq!(
            (duration_code(0), duration_code(1), duration_code(u64::MAX)),
            (0, 0, 255)
        );
        assert_eq!(duration_code(1_000_000_000) - duration_code(500_000_000), 4);
    }
}
