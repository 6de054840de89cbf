"""Sends metrics with the real OpenTelemetry SDK for Python, one time each export.

    python send_metrics.py grpc|http ENDPOINT cumulative|delta

A counter that reaches 10 in three exports, an up-down counter, a gauge, a histogram with bounds and an exponential one.
"""

import sys

from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry import metrics


def exporter(protocol, endpoint, temporality):
    if temporality == "delta":
        preferred = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}
    else:
        preferred = {}
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

        return OTLPMetricExporter(endpoint=endpoint, insecure=True, preferred_temporality=preferred)
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    return OTLPMetricExporter(endpoint=endpoint + "/v1/metrics", preferred_temporality=preferred)


def main():
    protocol, endpoint, temporality = sys.argv[1:4]
    reader = PeriodicExportingMetricReader(exporter(protocol, endpoint, temporality), export_interval_millis=3_600_000)
    resource = Resource.create(
        {"service.name": "shop", "service.instance.id": f"{protocol}-{temporality}", "host.name": "a-host", "build": "7"}
    )
    views = [
        View(instrument_name="bounded", aggregation=ExplicitBucketHistogramAggregation([1.0, 5.0])),
        View(instrument_name="native", aggregation=ExponentialBucketHistogramAggregation()),
    ]
    provider = MeterProvider([reader], resource=resource, views=views)
    meter = provider.get_meter("pipeline", "1.2.3")
    meter.create_observable_gauge("temperature", [lambda _: [metrics.Observation(21.5, {"room": "grün ✓"})]], unit="Cel")
    orders = meter.create_counter("orders", unit="{order}")
    queue = meter.create_up_down_counter("queue.length")
    bounded = meter.create_histogram("bounded", unit="s")
    native = meter.create_histogram("native", unit="s")
    for n in [1, 2, 7]:
        orders.add(n, {"kind": "book", "express": True})
        queue.add(5 - n)
        bounded.record(n)
        native.record(n)
        assert provider.force_flush(10_000), "the exporter did not flush in 10 s"
    provider.shutdown()


main()
