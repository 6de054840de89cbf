//! Prometheus' API over series that came through the log.

mod anything;
mod corpus;
mod grafana;
mod names;
mod queries;
mod refusals;
mod schema;
mod written;
