//! Parts of dates, in UTC.

use super::super::signature::Part;

/// Seconds of ten thousand years, beyond which a date is NaN.
const SECONDS_MAX: f64 = 10_000.0 * 365.25 * 86_400.0;

/// A part of the date so many seconds after 1970.
pub(in crate::promql) fn part(part: Part, seconds: f64) -> f64 {
    if seconds.is_nan() || seconds.abs() > SECONDS_MAX {
        return f64::NAN;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded by the comparison before"
    )]
    let seconds = seconds.floor() as i64;
    let (day, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let date = Date::of_day(day);
    let value = match part {
        Part::Minute => of_day / 60 % 60,
        Part::Hour => of_day / 3_600,
        Part::DayOfWeek => (day + 4).rem_euclid(7), // 1970 began on a Thursday
        Part::DayOfMonth => date.day,
        Part::DayOfYear => day - day_of(date.year, 1, 1) + 1,
        Part::DaysInMonth => {
            let (year, month) = if date.month == 12 {
                (date.year + 1, 1)
            } else {
                (date.year, date.month + 1)
            };
            day_of(year, month, 1) - day_of(date.year, date.month, 1)
        }
        Part::Month => date.month,
        Part::Year => date.year,
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "years and less are small numbers"
    )]
    let value = value as f64;
    value
}

struct Date {
    year: i64,
    month: i64,
    day: i64,
}

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

impl Date {
    /// So many days after 1970-01-01. Years are counted from March, so that a leap day is the last of its year.
    fn of_day(day: i64) -> Self {
        let day = day + DAYS_TO_1970;
        let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153; // from March
        let is_next_year = month >= 10;
        Self {
            year: year + era * 400 + i64::from(is_next_year),
            month: if is_next_year { month - 9 } else { month + 3 },
            day: of_year - (153 * month + 2) / 5 + 1,
        }
    }
}

/// Days after 1970-01-01.
fn day_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = (month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let parts = [
            Part::Year,
            Part::Month,
            Part::DayOfMonth,
            Part::DayOfWeek,
            Part::DayOfYear,
            Part::DaysInMonth,
            Part::Hour,
            Part::Minute,
        ];
        for (seconds, expected) in [
            (0.0, [1970.0, 1.0, 1.0, 4.0, 1.0, 31.0, 0.0, 0.0]),
            (-1.0, [1969.0, 12.0, 31.0, 3.0, 365.0, 31.0, 23.0, 59.0]),
            (
                951_782_400.0,
                [2000.0, 2.0, 29.0, 2.0, 60.0, 29.0, 0.0, 0.0],
            ),
            (
                1_136_239_445.7,
                [2006.0, 1.0, 2.0, 1.0, 2.0, 31.0, 22.0, 4.0],
            ),
            (
                4_107_542_400.0,
                [2100.0, 3.0, 1.0, 1.0, 60.0, 31.0, 0.0, 0.0],
            ),
        ] {
            assert_eq!(parts.map(|one| part(one, seconds)), expected, "{seconds}");
        }
        assert!(part(Part::Year, f64::NAN).is_nan());
        assert!(part(Part::Year, 1e300).is_nan());
    }

    #[test]
    fn a_day_is_found_again() {
        for day in (-800_000..800_000).step_by(97) {
            let date = Date::of_day(day);
            assert_eq!(day_of(date.year, date.month, date.day), day);
        }
    }
}
