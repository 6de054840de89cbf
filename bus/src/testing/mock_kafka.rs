//! librdkafka's mock cluster, with our topics: a Kafka in this process. It has no LogAppendTime, so the timestamps of producers are taken.

use std::time::Duration;

use rdkafka::error::KafkaResult;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use telemetry::Clock;

use crate::kafka::{Kafka, OpenKafkaError};
use crate::{Config, Metrics, Topic, config};

/// A cluster of one broker. It ends when this is dropped.
pub struct MockKafka(MockCluster<'static, DefaultProducerContext>);

impl MockKafka {
    /// Starts a broker with `n_partitions` of `spans`.
    ///
    /// # Errors
    /// When librdkafka cannot.
    pub fn start(n_partitions: u32) -> KafkaResult<Self> {
        let cluster = MockCluster::new(1)?;
        let prefix = config::Kafka::default().topic_prefix;
        let n = n_partitions as i32;
        for (topic, n) in [
            (Topic::Spans, n),
            (Topic::Points, n),
            (Topic::DeadLetters, 1),
        ] {
            cluster.create_topic(&format!("{prefix}{}", topic.name()), n, 1)?;
        }
        Ok(Self(cluster))
    }

    /// A log in this cluster, as the process `node` has it.
    ///
    /// # Errors
    /// As [`Kafka::open`].
    pub fn open(&self, node: &str) -> Result<Kafka, OpenKafkaError> {
        let kafka = config::Kafka {
            brokers: self.0.bootstrap_servers(),
            node: node.to_owned(),
            // The mock waits this long for everybody when somebody joins.
            session_timeout: Duration::from_secs(6),
            allow_create_time: true,
            ..config::Kafka::default()
        };
        Kafka::open(
            &Config {
                kafka,
                ..Config::default()
            },
            Clock::host(),
            Metrics::default(),
        )
    }

    /// The cluster, to break it.
    #[must_use]
    pub fn cluster(&self) -> &MockCluster<'static, DefaultProducerContext> {
        &self.0
    }
}
