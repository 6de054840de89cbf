//! Lengths and times of a query, worked out.

use super::ast::{At, Length, Op, Shift};
use super::error::PromqlError;
use super::time;

/// What lengths and times are relative to: the query as a whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) start: i64,
    pub(super) end: i64,
    /// 0 for an instant query.
    pub(super) step: i64,
}

impl Frame {
    /// A range or a step: over 0.
    pub(super) fn positive(&self, length: &Length) -> Result<i64, PromqlError> {
        let ms = self.ms(length)?;
        if ms <= 0 {
            return Err(PromqlError::BadData(
                "duration must be greater than 0".to_owned(),
            ));
        }
        Ok(ms)
    }

    fn ms(&self, length: &Length) -> Result<i64, PromqlError> {
        if let Length::Ms(ms) = length {
            return Ok(*ms);
        }
        let ms = time::ms_of_seconds(self.seconds(length)?);
        ms.filter(|ms| ms.abs() <= time::LENGTH_MS_MAX)
            .ok_or_else(|| PromqlError::BadData("duration is out of range".to_owned()))
    }

    fn seconds(&self, length: &Length) -> Result<f64, PromqlError> {
        let both = |pair: &(Length, Length)| -> Result<(f64, f64), PromqlError> {
            Ok((self.seconds(&pair.0)?, self.seconds(&pair.1)?))
        };
        Ok(match length {
            Length::Ms(ms) => time::seconds(*ms),
            Length::Step => time::seconds(self.step),
            Length::Range => time::seconds(self.end - self.start),
            Length::Negative(inner) => -self.seconds(inner)?,
            Length::Paren(inner) => self.seconds(inner)?,
            Length::Min(pair) => both(pair).map(|(a, b)| a.min(b))?,
            Length::Max(pair) => both(pair).map(|(a, b)| a.max(b))?,
            Length::Binary(op, pair) => {
                let (a, b) = both(pair)?;
                arithmetic(*op, a, b)?
            }
        })
    }

    /// The time that a selector means when it is evaluated at `at`.
    pub(super) fn shifted(&self, at: i64, shift: &Shift) -> Result<i64, PromqlError> {
        let at = match shift.at {
            None => at,
            Some(At::Start) => self.start,
            Some(At::End) => self.end,
            Some(At::UnixMs(ms)) => ms,
        };
        let offset = match &shift.offset {
            None => 0,
            Some(length) => self.ms(length)?,
        };
        Ok(at.saturating_sub(offset))
    }
}

fn arithmetic(op: Op, a: f64, b: f64) -> Result<f64, PromqlError> {
    let by_zero = |what: &str| {
        Err(PromqlError::BadData(format!(
            "{what} by zero in a duration"
        )))
    };
    Ok(match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Div if b == 0.0 => return by_zero("division"),
        Op::Div => a / b,
        Op::Mod if b == 0.0 => return by_zero("modulo"),
        Op::Mod => a % b,
        _ => libm::pow(a, b),
    })
}
