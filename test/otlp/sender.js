/*
 * sender.js: OpenTelemetry's own SDK as a client, for test/t/440_otlp_sdk.pl.
 *
 *	node sender.js '{"protocol": "proto", "url": "...", "temporality": "delta", "rounds": 3,
 *		"senders": 1, "instance": "i"}'
 *
 * Records the same as ever, exports after each round, and prints as JSON what was recorded
 * by the SDK's own account: the points that an in-memory reader with cumulative temporality
 * has at the end, and what the exports came to. `senders` is how many SDKs with the same
 * resource do so at once.
 */
'use strict';

const { TraceFlags, ROOT_CONTEXT, trace } = require('@opentelemetry/api');
const metrics = require('@opentelemetry/sdk-metrics');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { AggregationTemporalityPreference } = require('@opentelemetry/exporter-metrics-otlp-http');
const { JsonMetricsSerializer } = require('@opentelemetry/otlp-transformer');
const { CompressionAlgorithm } = require('@opentelemetry/otlp-exporter-base');
const { credentials, Metadata } = require('@grpc/grpc-js');
const exemplars = require('@opentelemetry/sdk-metrics/build/src/exemplar');

const options = JSON.parse(process.argv[2]);
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

function newExporter() {
	const common = {
		url: options.url,
		temporalityPreference: AggregationTemporalityPreference[options.temporality.toUpperCase()],
		compression: options.gzip ? CompressionAlgorithm.GZIP : CompressionAlgorithm.NONE,
		timeoutMillis: 300000, /* no measure */
	};
	if (options.protocol === 'grpc') {
		const { OTLPMetricExporter } = require('@opentelemetry/exporter-metrics-otlp-grpc');
		const metadata = new Metadata();
		for (const [name, value] of Object.entries(options.headers ?? {}))
			metadata.set(name, value);
		return new OTLPMetricExporter({ ...common, metadata, credentials: credentials.createInsecure() });
	}
	const { OTLPMetricExporter } = require('@opentelemetry/exporter-metrics-otlp-' + options.protocol);
	return new OTLPMetricExporter({ ...common, headers: options.headers });
}

/* What an exporter was told, beside what it does. */
function watch(exporter, results) {
	const inner = exporter.export.bind(exporter);
	exporter.export = (data, done) =>
		inner(data, result => {
			results.push(result.code === 0 ? 'ok' : String(result.error?.message ?? 'failed'));
			done(result);
		});
	return exporter;
}

class Memory extends metrics.MetricReader {
	onForceFlush() {
		return Promise.resolve();
	}
	onShutdown() {
		return Promise.resolve();
	}
}

function newSdk(results) {
	const memory = new Memory();
	const reader = new metrics.PeriodicExportingMetricReader({
		exporter: watch(newExporter(), results),
		exportIntervalMillis: 3600000,
		exportTimeoutMillis: 300000,
	});
	const provider = new metrics.MeterProvider({
		resource: resourceFromAttributes({
			'service.name': 'checkout',
			'service.namespace': 'shop',
			'service.instance.id': options.instance,
			'deployment.environment.name': 'test',
			'host.cpus': 4,
			'process.command_args': ['node', 'a "b"', 'ü'],
		}),
		readers: [reader, memory],
		views: [
			{ instrumentName: 'request.size', aggregation: { type: metrics.AggregationType.EXPONENTIAL_HISTOGRAM } },
			{ instrumentName: 'offset.size', aggregation: { type: metrics.AggregationType.EXPONENTIAL_HISTOGRAM, options: { maxSize: 20 } } },
			{
				instrumentName: 'request.duration',
				aggregation: { type: metrics.AggregationType.EXPLICIT_BUCKET_HISTOGRAM, options: { boundaries: [0.005, 0.1, 1, 2.5] } },
			},
		],
	});
	return { provider, reader, memory };
}

function newInstruments(provider, state) {
	const meter = provider.getMeter('shop.meter', '1.2.3', { schemaUrl: 'https://example.org/schema' });
	const observed = meter.createObservableGauge('queue.depth', { description: 'what "waits"\nhere', unit: '1', valueType: 0 });

	observed.addCallback(result => {
		result.observe(state.depth, { queue: 'a' });
		result.observe(-state.depth * 2, { queue: 'b', 'queue.kind': 'ü "quoted" \\' });
	});
	const seen = meter.createObservableCounter('bytes.seen', { unit: 'By' });
	seen.addCallback(result => result.observe(state.depth * 1000, { direction: 'in' }));
	return {
		requests: meter.createCounter('requests', { description: 'answered requests', valueType: 0 }),
		energy: meter.createCounter('energy.used', { unit: 'J', valueType: 1 }),
		connections: meter.createUpDownCounter('connections', { unit: '{connection}', valueType: 0 }),
		temperature: meter.createGauge('room.temperature', { unit: 'Cel' }),
		duration: meter.createHistogram('request.duration', { unit: 's' }),
		size: meter.createHistogram('request.size', { unit: 'By' }),
		offset: meter.createHistogram('offset.size'),
	};
}

/* One round of all instruments; the same in each run. */
function record(instruments, state, round) {
	state.depth = round * 3;
	for (const code of [200, 404, 503])
		instruments.requests.add(round * code, { 'http.response.status_code': code, ok: code < 400, path: '/a/b' });
	instruments.energy.add(0.1 * round, {});
	instruments.energy.add(0.7, { 'phase-1': 'x', 'phase.1': 'y' });
	instruments.connections.add(round % 2 ? 5 : -3, { pool: 'main' });
	instruments.temperature.record(20 + round / 8, { room: 'kitchen' });
	for (const value of [0.001, 0.005, 0.0051, 0.7, 1.5 * round, 100])
		instruments.duration.record(value, { method: 'GET' });
	for (let i = 0; i < 40; i++)
		instruments.size.record((i * i * round) / 7, { method: 'POST' });
	for (const value of [0, 1e-3, 1, 1, 1024 * round, 1e9])
		instruments.offset.record(value);
}

/* What the SDK says at the end: points of all metrics, as plain values. */
async function account(memory) {
	const { resourceMetrics, errors } = await memory.collect();
	const out = [];
	if (errors.length > 0)
		throw errors[0];
	for (const scope of resourceMetrics.scopeMetrics)
		for (const metric of scope.metrics)
			for (const point of metric.dataPoints)
				out.push({
					name: metric.descriptor.name,
					unit: metric.descriptor.unit,
					help: metric.descriptor.description,
					kind: metrics.DataPointType[metric.dataPointType],
					monotonic: Boolean(metric.isMonotonic),
					attributes: point.attributes,
					start: point.startTime[0] * 1000 + Math.floor(point.startTime[1] / 1e6),
					time: point.endTime[0] * 1000 + Math.floor(point.endTime[1] / 1e6),
					value: point.value,
				});
	return out;
}

/*
 * The SDK keeps exemplars in reservoirs that can be used, but its exporters do not send
 * them: they are put into the message that its serializer made.
 */
async function sendExemplars(memory) {
	const reservoir = new exemplars.AlignedHistogramBucketExemplarReservoir([0.005, 0.1, 1, 2.5]);
	const span = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: TraceFlags.SAMPLED };
	const context = trace.setSpanContext(ROOT_CONTEXT, span);
	const now = Date.now();

	for (const value of [0.001, 0.7, 100])
		reservoir.offer(value, [Math.floor(now / 1000), (now % 1000) * 1e6], { method: 'GET', user: 'u' + value }, context);
	const { resourceMetrics } = await memory.collect();
	const request = JSON.parse(Buffer.from(JsonMetricsSerializer.serializeRequest(resourceMetrics)));
	const histogram = request.resourceMetrics[0].scopeMetrics[0].metrics.find(metric => metric.name === 'request.duration');
	const point = histogram.histogram.dataPoints[0];
	const found = reservoir.collect({ method: 'GET' });

	point.exemplars = found.map(exemplar => ({
		timeUnixNano: String(BigInt(now) * 1000000n),
		asDouble: exemplar.value,
		traceId: exemplar.traceId,
		spanId: exemplar.spanId,
		filteredAttributes: Object.entries(exemplar.filteredAttributes).map(([key, value]) => ({ key, value: { stringValue: value } })),
	}));
	const answer = await fetch(options.exemplarsUrl, {
		method: 'POST',
		headers: { 'content-type': 'application/json', ...options.headers },
		body: JSON.stringify(request),
	});
	return {
		status: answer.status,
		body: await answer.text(),
		now,
		sent: found.map(exemplar => ({ value: exemplar.value, traceId: exemplar.traceId, spanId: exemplar.spanId, attributes: exemplar.filteredAttributes })),
	};
}

async function main() {
	const results = [];
	const sdks = [];
	const out = {};

	for (let i = 0; i < (options.senders); i++) {
		const sdk = newSdk(results);
		sdk.state = { depth: 0 };
		sdk.instruments = newInstruments(sdk.provider, sdk.state);
		sdks.push(sdk);
	}
	for (let round = 1; round <= (options.rounds); round++) {
		for (const sdk of sdks)
			record(sdk.instruments, sdk.state, round);
		await Promise.all(sdks.map(sdk => sdk.reader.forceFlush()));
		await sleep(20);
	}
	out.points = await account(sdks[0].memory);
	if (options.exemplarsUrl)
		out.exemplars = await sendExemplars(sdks[0].memory);
	await Promise.all(sdks.map(sdk => sdk.provider.shutdown()));
	out.results = results;
	console.log(JSON.stringify(out));
}

main().catch(error => {
	console.error(error);
	process.exit(1);
});
