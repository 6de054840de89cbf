//! The settings of every client.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::Topic;
use crate::config::Kafka;

/// Name of a topic in the cluster.
pub(crate) fn name(kafka: &Kafka, topic: Topic) -> String {
    format!("{}{}", kafka.topic_prefix, topic.name())
}

/// The group whose members own the partitions of `topic`, and whose offsets are the commits.
pub(crate) fn group(kafka: &Kafka, topic: Topic) -> String {
    format!("{}{}", kafka.topic_prefix, topic.name())
}

fn common(kafka: &Kafka) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set_log_level(RDKafkaLogLevel::Warning)
        .set("bootstrap.servers", &kafka.brokers)
        .set("client.id", format!("tw/{}", kafka.node))
        .set("allow.auto.create.topics", "false")
        .set("socket.keepalive.enable", "true")
        .set("statistics.interval.ms", "10000")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        .set("socket.connection.setup.timeout.ms", "5000");
    client
}

/// Records are durable on their answer and in order, within 2.5 s or refused.
pub(crate) fn producer(kafka: &Kafka) -> ClientConfig {
    let mut client = common(kafka);
    client
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("max.in.flight", "5")
        .set("linger.ms", "2")
        .set("batch.size", "1000000")
        // Payloads are bounded by us at 1,000,000 B; header and framing come on top.
        .set("message.max.bytes", "1001000")
        .set("compression.type", "zstd")
        .set("queue.buffering.max.kbytes", "65536")
        .set("delivery.timeout.ms", "2500")
        .set("request.timeout.ms", "2000")
        .set("socket.timeout.ms", "2500")
        .set("retry.backoff.ms", "50");
    client
}

fn consumer(kafka: &Kafka, group: &str) -> ClientConfig {
    let mut client = common(kafka);
    client
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("check.crcs", "true")
        .set("enable.partition.eof", "true")
        .set("queued.max.messages.kbytes", "4096")
        .set("fetch.queue.backoff.ms", "10")
        .set("fetch.max.bytes", "16777216")
        .set("receive.message.max.bytes", "33554432");
    client
}

/// A place among the owners of `topic`.
pub(crate) fn member(kafka: &Kafka, topic: Topic) -> ClientConfig {
    let mut client = consumer(kafka, &group(kafka, topic));
    client
        .set("group.protocol", "classic")
        .set("partition.assignment.strategy", "range")
        .set("group.instance.id", &kafka.node)
        .set(
            "session.timeout.ms",
            kafka.session_timeout.as_millis().to_string(),
        )
        .set(
            "heartbeat.interval.ms",
            (kafka.session_timeout.as_millis() / 10).to_string(),
        )
        .set("max.poll.interval.ms", "300000");
    client
}

/// Reads without being a member: it assigns to itself and never subscribes.
pub(crate) fn reader(kafka: &Kafka, topic: Topic) -> ClientConfig {
    consumer(kafka, &group(kafka, topic))
}
