//! Where points lie: in a block, in a head that is sealed, or in the open one. In: numbers of series. Out: their rows.

use std::sync::Arc;

use telemetry::Tenant;
use tokio::runtime::Handle;

use super::TimeRange;
use crate::block::read::ReadError;
use crate::catalog::KnownBlock;
use crate::head::TenantHead;
use crate::live::OpenHead;
use crate::machine::SealedHead;
use crate::row::Row;
use crate::series::SeriesId;
use crate::{MetricsStore, SelectError};

pub(crate) enum Source {
    Block(Arc<KnownBlock>),
    Sealed(Arc<SealedHead>),
    Open(OpenHead),
}

impl Source {
    /// The rows of some series, which ascend; none is without points.
    pub(super) fn rows(
        &self,
        (store, tenant): (&MetricsStore, &Tenant),
        series: &[u32],
        range: TimeRange,
    ) -> Result<Vec<(u32, Row)>, SelectError> {
        match self {
            Self::Block(block) => Ok(of_block(store, block, series, range)?),
            Self::Sealed(_) | Self::Open(_) => {
                Ok(self.look(tenant, |head| of_head(head, series, range)))
            }
        }
    }

    /// What a head has of a tenant, if it is one.
    pub(super) fn look<T: Default>(&self, tenant: &Tenant, at: impl FnOnce(&TenantHead) -> T) -> T {
        let of_tenant = |head: &crate::head::Head| head.get(tenant).map(at).unwrap_or_default();
        match self {
            Self::Block(_) => T::default(),
            Self::Sealed(sealed) => of_tenant(&sealed.head),
            Self::Open(open) => open.look(of_tenant),
        }
    }
}

fn of_block(
    store: &MetricsStore,
    block: &KnownBlock,
    series: &[u32],
    range: TimeRange,
) -> Result<Vec<(u32, Row)>, ReadError> {
    let (handle, blocks) = (Handle::current(), &store.inner.blocks);
    let opened = handle.block_on(store.opened(block))?;
    let pages = handle.block_on(opened.fetch(blocks, series, range.from, range.to))?;
    opened.rows(&pages, series, range.from, range.to)
}

fn of_head(head: &TenantHead, series: &[u32], range: TimeRange) -> Vec<(u32, Row)> {
    let rows = series
        .iter()
        .map(|id| (*id, head.row(SeriesId(*id), range.from, range.to)));
    rows.filter(|(_, row)| row.n_points() > 0).collect()
}
