"""Sends traces with the real OpenTelemetry SDK for Python and prints what it sent, one JSON object a span.

    python send.py grpc|http ENDPOINT TRACES

Each trace is a root with two children, an event, a link, and attributes of every type the SDK has.
"""

import json
import sys

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

ATTRIBUTES = {
    "text": "grün ✓",
    "truth": True,
    "int": -9007199254740993,
    "double": 2.5,
    "texts": ["a", "b"],
    "truths": [True, False],
    "ints": [1, -2],
    "doubles": [0.5, -0.25],
}


def exporter(protocol, endpoint):
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter(endpoint=endpoint, insecure=True)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=endpoint + "/v1/traces")


def tell(span):
    context = span.get_span_context()
    print(
        json.dumps(
            {
                "trace_id": f"{context.trace_id:032x}",
                "span_id": f"{context.span_id:016x}",
                "parent_span_id": f"{span.parent.span_id:016x}" if span.parent else "",
                "name": span.name,
                "attributes": dict(span.attributes),
                "start_unix_ns": str(span.start_time),
                "end_unix_ns": str(span.end_time),
            }
        )
    )


def main():
    protocol, endpoint, traces = sys.argv[1], sys.argv[2], int(sys.argv[3])
    provider = TracerProvider(resource=Resource.create({"service.name": f"python-{protocol}", "deployment.environment.name": "test"}))
    provider.add_span_processor(BatchSpanProcessor(exporter(protocol, endpoint)))
    tracer = provider.get_tracer("pipeline", "1.2.3", attributes={"scope.attribute": "yes"})
    sent = []
    for i in range(traces):
        with tracer.start_as_current_span("root", kind=SpanKind.SERVER, attributes=ATTRIBUTES) as root:
            with tracer.start_as_current_span("query", kind=SpanKind.CLIENT, attributes={"i": i}) as query:
                query.add_event("found", {"rows": 3})
            with tracer.start_as_current_span("fail", links=[Link(query.get_span_context(), {"why": "retry"})]) as fail:
                fail.set_status(Status(StatusCode.ERROR, "it broke"))
        sent += [root, query, fail]
    assert provider.force_flush(10_000), "the exporter did not flush in 10 s"
    for span in sent:
        tell(span)
    provider.shutdown()


main()
