//! The five kinds of data, each with its points.

use std::marker::PhantomData;

use super::super::super::proto::Extent;
use super::super::fields::{Bodies, Fields, Wire};
use super::{ExpHistogramPointView, HistogramPointView, NumberPointView, SummaryPointView};

/// What a metric is, and its points.
#[derive(Debug, Clone, Copy)]
pub enum DataView<'a> {
    Gauge {
        points: PointsView<'a, NumberPointView<'a>>,
    },
    Sum {
        points: PointsView<'a, NumberPointView<'a>>,
        temporality: Temporality,
        is_monotonic: bool,
    },
    Histogram {
        points: PointsView<'a, HistogramPointView<'a>>,
        temporality: Temporality,
    },
    ExpHistogram {
        points: PointsView<'a, ExpHistogramPointView<'a>>,
        temporality: Temporality,
    },
    Summary {
        points: PointsView<'a, SummaryPointView<'a>>,
    },
}

/// What a value counts from; the number as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Temporality(pub i32);

impl Temporality {
    pub const DELTA: Self = Self(1);
    pub const CUMULATIVE: Self = Self(2);

    /// Whether it is one of those that OTLP has.
    #[must_use]
    pub fn is_known(self) -> bool {
        self == Self::DELTA || self == Self::CUMULATIVE
    }
}

/// Points of one kind, in the order they were sent.
#[derive(Debug, Clone, Copy)]
pub struct PointsView<'a, P> {
    bytes: &'a [u8],
    bodies: Bodies<'a>,
    kind: PhantomData<P>,
}

/// A point that can be read where it lies.
pub(in super::super) trait ReadAt<'a> {
    fn read_at(bytes: &'a [u8], extent: Extent) -> Self;
}

impl<'a, P> PointsView<'a, P> {
    fn new(bytes: &'a [u8], data: Extent) -> Self {
        Self {
            bytes,
            bodies: Bodies::within(bytes, data, 1),
            kind: PhantomData,
        }
    }

    /// Where each of them lies.
    pub(in super::super) fn extents(&self) -> Bodies<'a> {
        self.bodies
    }
}

impl<'a, P: ReadAt<'a>> Iterator for PointsView<'a, P> {
    type Item = P;

    fn next(&mut self) -> Option<P> {
        let extent = self.bodies.next()?;
        Some(P::read_at(self.bytes, extent))
    }
}

impl<'a> DataView<'a> {
    pub(super) fn read(bytes: &'a [u8], number: u64, data: Extent) -> Option<Self> {
        let (mut temporality, mut is_monotonic) = (Temporality::default(), false);
        for field in Fields::within(bytes, data) {
            match (field.number, field.wire) {
                (2, Wire::Varint(value)) => temporality = Temporality(value as i32),
                (3, Wire::Varint(value)) => is_monotonic = value != 0,
                _ => {}
            }
        }
        Some(match number {
            5 => Self::Gauge {
                points: PointsView::new(bytes, data),
            },
            7 => Self::Sum {
                points: PointsView::new(bytes, data),
                temporality,
                is_monotonic,
            },
            9 => Self::Histogram {
                points: PointsView::new(bytes, data),
                temporality,
            },
            10 => Self::ExpHistogram {
                points: PointsView::new(bytes, data),
                temporality,
            },
            11 => Self::Summary {
                points: PointsView::new(bytes, data),
            },
            _ => return None,
        })
    }
}
