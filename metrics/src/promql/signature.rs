//! The functions of PromQL: names, arguments, and which are experimental. What they do is in [`super::functions`].

use super::ast::Type;
use Function as F;
use Type::{Matrix, Scalar, Text, Vector};

/// How a function is called.
#[derive(Debug, PartialEq, Eq)]
pub struct Signature {
    pub name: &'static str,
    pub(super) function: Function,
    pub args: &'static [Type],
    /// How many of the last arguments may be left out.
    pub n_optional: usize,
    /// The last argument may come again, any number of times.
    pub is_variadic: bool,
    pub returns: Type,
    pub is_experimental: bool,
}

const fn vector(name: &'static str, function: Function, args: &'static [Type]) -> Signature {
    Signature {
        name,
        function,
        args,
        n_optional: 0,
        is_variadic: false,
        returns: Vector,
        is_experimental: false,
    }
}

const fn optional(name: &'static str, function: Function, args: &'static [Type]) -> Signature {
    Signature {
        n_optional: 1,
        ..vector(name, function, args)
    }
}

const fn variadic(name: &'static str, function: Function, args: &'static [Type]) -> Signature {
    Signature {
        n_optional: 1,
        is_variadic: true,
        ..vector(name, function, args)
    }
}

const fn scalar(name: &'static str, function: Function, args: &'static [Type]) -> Signature {
    Signature {
        returns: Scalar,
        ..vector(name, function, args)
    }
}

const fn experimental(signature: Signature) -> Signature {
    Signature {
        is_experimental: true,
        ..signature
    }
}

/// What a function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Map(Map),
    Part(Part),
    Over(Over),
    Absent,
    AbsentOverTime,
    Clamp,
    ClampMax,
    ClampMin,
    HistogramCount,
    HistogramSum,
    HistogramAvg,
    HistogramStddev,
    HistogramStdvar,
    HistogramFraction,
    HistogramQuantile,
    Info,
    LabelJoin,
    LabelReplace,
    Pi,
    Round,
    Scalar,
    Sort,
    SortDesc,
    SortByLabel,
    SortByLabelDesc,
    Time,
    Timestamp,
    Vector,
}

/// A number from a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Map {
    Abs,
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    Ceil,
    Cos,
    Cosh,
    Deg,
    Exp,
    Floor,
    Ln,
    Log10,
    Log2,
    Rad,
    Sgn,
    Sin,
    Sinh,
    Sqrt,
    Tan,
    Tanh,
}

/// A part of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    DaysInMonth,
    Hour,
    Minute,
    Month,
    Year,
}

/// A value from the points in a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    Avg,
    Changes,
    Count,
    Delta,
    Deriv,
    DoubleExponentialSmoothing,
    First,
    Idelta,
    Increase,
    Irate,
    Last,
    Mad,
    Max,
    Min,
    PredictLinear,
    Present,
    Quantile,
    Rate,
    Resets,
    Stddev,
    Stdvar,
    Sum,
    TsOfFirst,
    TsOfLast,
    TsOfMax,
    TsOfMin,
}

/// In order of names.
#[rustfmt::skip]
static SIGNATURES: [Signature; 82] = [
    vector("abs", F::Map(Map::Abs), &[Vector]),
    vector("absent", F::Absent, &[Vector]),
    vector("absent_over_time", F::AbsentOverTime, &[Matrix]),
    vector("acos", F::Map(Map::Acos), &[Vector]),
    vector("acosh", F::Map(Map::Acosh), &[Vector]),
    vector("asin", F::Map(Map::Asin), &[Vector]),
    vector("asinh", F::Map(Map::Asinh), &[Vector]),
    vector("atan", F::Map(Map::Atan), &[Vector]),
    vector("atanh", F::Map(Map::Atanh), &[Vector]),
    vector("avg_over_time", F::Over(Over::Avg), &[Matrix]),
    vector("ceil", F::Map(Map::Ceil), &[Vector]),
    vector("changes", F::Over(Over::Changes), &[Matrix]),
    vector("clamp", F::Clamp, &[Vector, Scalar, Scalar]),
    vector("clamp_max", F::ClampMax, &[Vector, Scalar]),
    vector("clamp_min", F::ClampMin, &[Vector, Scalar]),
    vector("cos", F::Map(Map::Cos), &[Vector]),
    vector("cosh", F::Map(Map::Cosh), &[Vector]),
    vector("count_over_time", F::Over(Over::Count), &[Matrix]),
    optional("day_of_month", F::Part(Part::DayOfMonth), &[Vector]),
    optional("day_of_week", F::Part(Part::DayOfWeek), &[Vector]),
    optional("day_of_year", F::Part(Part::DayOfYear), &[Vector]),
    optional("days_in_month", F::Part(Part::DaysInMonth), &[Vector]),
    vector("deg", F::Map(Map::Deg), &[Vector]),
    vector("delta", F::Over(Over::Delta), &[Matrix]),
    vector("deriv", F::Over(Over::Deriv), &[Matrix]),
    experimental(vector("double_exponential_smoothing", F::Over(Over::DoubleExponentialSmoothing), &[Matrix, Scalar, Scalar])),
    vector("exp", F::Map(Map::Exp), &[Vector]),
    experimental(vector("first_over_time", F::Over(Over::First), &[Matrix])),
    vector("floor", F::Map(Map::Floor), &[Vector]),
    vector("histogram_avg", F::HistogramAvg, &[Vector]),
    vector("histogram_count", F::HistogramCount, &[Vector]),
    vector("histogram_fraction", F::HistogramFraction, &[Scalar, Scalar, Vector]),
    vector("histogram_quantile", F::HistogramQuantile, &[Scalar, Vector]),
    vector("histogram_stddev", F::HistogramStddev, &[Vector]),
    vector("histogram_stdvar", F::HistogramStdvar, &[Vector]),
    vector("histogram_sum", F::HistogramSum, &[Vector]),
    optional("hour", F::Part(Part::Hour), &[Vector]),
    vector("idelta", F::Over(Over::Idelta), &[Matrix]),
    vector("increase", F::Over(Over::Increase), &[Matrix]),
    experimental(optional("info", F::Info, &[Vector, Vector])),
    vector("irate", F::Over(Over::Irate), &[Matrix]),
    variadic("label_join", F::LabelJoin, &[Vector, Text, Text, Text]),
    vector("label_replace", F::LabelReplace, &[Vector, Text, Text, Text, Text]),
    vector("last_over_time", F::Over(Over::Last), &[Matrix]),
    vector("ln", F::Map(Map::Ln), &[Vector]),
    vector("log10", F::Map(Map::Log10), &[Vector]),
    vector("log2", F::Map(Map::Log2), &[Vector]),
    experimental(vector("mad_over_time", F::Over(Over::Mad), &[Matrix])),
    vector("max_over_time", F::Over(Over::Max), &[Matrix]),
    vector("min_over_time", F::Over(Over::Min), &[Matrix]),
    optional("minute", F::Part(Part::Minute), &[Vector]),
    optional("month", F::Part(Part::Month), &[Vector]),
    scalar("pi", F::Pi, &[]),
    vector("predict_linear", F::Over(Over::PredictLinear), &[Matrix, Scalar]),
    vector("present_over_time", F::Over(Over::Present), &[Matrix]),
    vector("quantile_over_time", F::Over(Over::Quantile), &[Scalar, Matrix]),
    vector("rad", F::Map(Map::Rad), &[Vector]),
    vector("rate", F::Over(Over::Rate), &[Matrix]),
    vector("resets", F::Over(Over::Resets), &[Matrix]),
    optional("round", F::Round, &[Vector, Scalar]),
    scalar("scalar", F::Scalar, &[Vector]),
    vector("sgn", F::Map(Map::Sgn), &[Vector]),
    vector("sin", F::Map(Map::Sin), &[Vector]),
    vector("sinh", F::Map(Map::Sinh), &[Vector]),
    vector("sort", F::Sort, &[Vector]),
    experimental(variadic("sort_by_label", F::SortByLabel, &[Vector, Text])),
    experimental(variadic("sort_by_label_desc", F::SortByLabelDesc, &[Vector, Text])),
    vector("sort_desc", F::SortDesc, &[Vector]),
    vector("sqrt", F::Map(Map::Sqrt), &[Vector]),
    vector("stddev_over_time", F::Over(Over::Stddev), &[Matrix]),
    vector("stdvar_over_time", F::Over(Over::Stdvar), &[Matrix]),
    vector("sum_over_time", F::Over(Over::Sum), &[Matrix]),
    vector("tan", F::Map(Map::Tan), &[Vector]),
    vector("tanh", F::Map(Map::Tanh), &[Vector]),
    scalar("time", F::Time, &[]),
    vector("timestamp", F::Timestamp, &[Vector]),
    experimental(vector("ts_of_first_over_time", F::Over(Over::TsOfFirst), &[Matrix])),
    experimental(vector("ts_of_last_over_time", F::Over(Over::TsOfLast), &[Matrix])),
    experimental(vector("ts_of_max_over_time", F::Over(Over::TsOfMax), &[Matrix])),
    experimental(vector("ts_of_min_over_time", F::Over(Over::TsOfMin), &[Matrix])),
    vector("vector", F::Vector, &[Scalar]),
    optional("year", F::Part(Part::Year), &[Vector]),
];

/// The function of that name.
pub(super) fn find(name: &str) -> Option<&'static Signature> {
    SIGNATURES.iter().find(|signature| signature.name == name)
}

/// Functions that came after Prometheus 3.8, with the feature that brings them there.
pub(super) const LATER: [(&str, &str); 8] = [
    (
        "histogram_quantiles",
        "histogram_quantiles (Prometheus 3.9)",
    ),
    ("start_timestamp", "start_timestamp (Prometheus 3.11)"),
    ("integral", "integral (Prometheus 3.11)"),
    ("max_of", "max_of (promql-duration-expr)"),
    ("min_of", "min_of (promql-duration-expr)"),
    ("step", "promql-duration-expr"),
    ("range", "promql-duration-expr"),
    (
        "holt_winters",
        "double_exponential_smoothing (holt_winters until Prometheus 3.0)",
    ),
];
