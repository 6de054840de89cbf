// Sends traces with the real OpenTelemetry SDK for JavaScript over HTTP/JSON and prints what it sent, one JSON object a span.
//
//     node send.js ENDPOINT TRACES
import { SpanKind, SpanStatusCode, context, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const [endpoint, traces] = [process.argv[2], Number(process.argv[3])];
const attributes = {
  text: "grün ✓",
  truth: true,
  int: 42,
  double: 2.5,
  texts: ["a", "b"],
  truths: [true, false],
  ints: [1, -2],
  doubles: [0.5, -0.25],
};
const ended = [];
const record = { onStart() {}, onEnd: (span) => ended.push(span), forceFlush: async () => {}, shutdown: async () => {} };
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": "node-http-json", "deployment.environment.name": "test" }),
  spanProcessors: [record, new BatchSpanProcessor(new OTLPTraceExporter({ url: `${endpoint}/v1/traces` }))],
});
const tracer = provider.getTracer("pipeline", "1.2.3");
for (let i = 0; i < traces; i++) {
  const root = tracer.startSpan("root", { kind: SpanKind.SERVER, attributes });
  const below = trace.setSpan(context.active(), root);
  const query = tracer.startSpan("query", { kind: SpanKind.CLIENT, attributes: { i } }, below);
  query.addEvent("found", { rows: 3 });
  query.end();
  const fail = tracer.startSpan("fail", { links: [{ context: query.spanContext(), attributes: { why: "retry" } }] }, below);
  fail.setStatus({ code: SpanStatusCode.ERROR, message: "it broke" });
  fail.end();
  root.end();
}
await provider.forceFlush();
const ns = ([s, rest]) => (BigInt(s) * 1_000_000_000n + BigInt(rest)).toString();
for (const span of ended) {
  const { traceId, spanId } = span.spanContext();
  console.log(
    JSON.stringify({
      trace_id: traceId,
      span_id: spanId,
      parent_span_id: span.parentSpanContext?.spanId ?? "",
      name: span.name,
      attributes: span.attributes,
      start_unix_ns: ns(span.startTime),
      end_unix_ns: ns(span.endTime),
    }),
  );
}
await provider.shutdown();
