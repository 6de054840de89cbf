//! Kafka, as far as librdkafka's mock cluster is one.

use bus::kafka::Kafka;
use bus::testing::mock_kafka::MockKafka;

use super::*;

fn pair() -> (Kafka, Kafka, MockKafka) {
    let mock = MockKafka::start(N_PARTITIONS).expect("a broker");
    let open = |node| mock.open(node).expect("opens");
    (open("node-a"), open("node-b"), mock)
}

suite!(pair);
