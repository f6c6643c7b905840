//! Logs to stderr, and traces to an OTLP collector if one is configured.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{LogFormat, TelemetryConfig};
use crate::ids::Ids;
use crate::trace::TraceParent;

/// What is logged unless the configuration says otherwise: of libraries that tell of every connection
/// only what is wrong.
pub const LOG_FILTER: &str = "info,actix_server=warn,async_nats=warn";
/// Path of the traces endpoint below a collector's base URL.
const TRACES_PATH: &str = "/v1/traces";
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there are no logs or traces.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `telemetry.log_filter` is malformed.
    #[error(
        "telemetry.log_filter cannot be read: use a level, or directives such as info,tidings_dispatcher=debug"
    )]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// The exporter cannot be set up.
    #[error("the OTLP exporter cannot be set up")]
    Exporter(#[source] ExporterBuildError),
    /// Its HTTP client cannot be set up.
    #[error("the OTLP exporter's HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
    /// Another subscriber is in place.
    #[error("telemetry is already set up in this process")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Keep it until the end, then [`Telemetry::shutdown`], or the last spans are lost.
#[must_use]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

/// Sets up logging for the process, and export of traces; call once, inside a Tokio runtime.
///
/// # Errors
/// When the configuration is wrong, or on a second call.
pub fn init(config: &TelemetryConfig, service_name: &str) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::builder()
        .parse(config.log_filter.as_deref().unwrap_or(LOG_FILTER))
        .map_err(TelemetryError::Filter)?;
    let provider = config
        .otlp_endpoint
        .as_ref()
        .map(|endpoint| provider(endpoint.as_str(), service_name))
        .transpose()?;
    let spans = provider
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("tidings")));
    tracing_subscriber::registry()
        .with(log_layer(config.log_format))
        .with(spans)
        .with(filter)
        .try_init()
        .map_err(TelemetryError::Twice)?;
    Ok(Telemetry { provider })
}

impl Telemetry {
    /// Sends what has not been sent, for at most 5 s.
    pub async fn shutdown(self) {
        let Some(provider) = self.provider else {
            return;
        };
        // It blocks while the exporter uses this runtime.
        let flushed =
            tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(EXPORT_TIMEOUT));
        if !matches!(flushed.await, Ok(Ok(()))) {
            tracing::warn!("the last traces could not be exported");
        }
    }
}

fn log_layer(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    match format {
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_writer(std::io::stderr)
            .boxed(),
        LogFormat::Text => fmt::layer().with_writer(std::io::stderr).boxed(),
    }
}

fn provider(endpoint: &str, service_name: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let base = endpoint.trim_end_matches('/');
    let traces = base.strip_suffix(TRACES_PATH).unwrap_or(base);
    let client = reqwest::Client::builder()
        .timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(TelemetryError::Client)?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(OnRuntime {
            client,
            runtime: Handle::current(),
        })
        .with_endpoint(format!("{traces}{TRACES_PATH}"))
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(TelemetryError::Exporter)?;
    let resource = Resource::builder()
        .with_attribute(KeyValue::new("service.name", service_name.to_owned()))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_resource(resource)
        .with_batch_exporter(exporter)
        .build())
}

/// The batch exporter runs on a thread of its own, where reqwest finds no runtime; this takes each request to ours.
#[derive(Debug)]
struct OnRuntime {
    client: reqwest::Client,
    runtime: Handle,
}

impl HttpClient for OnRuntime {
    fn send_bytes<'s, 'f>(
        &'s self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        let client = self.client.clone();
        let sent = self
            .runtime
            .spawn(async move { HttpClient::send_bytes(&client, request).await });
        Box::pin(async move { sent.await? })
    }
}

/// Puts a fresh span into the trace of `parent`, or starts a trace, and returns what to hand on. Call it before the
/// span is entered. Works with and without export.
pub fn adopt(span: &Span, parent: Option<TraceParent>, ids: &Ids) -> TraceParent {
    if let Some(parent) = parent {
        // Without an exporter there is no span to put there; then our own ids carry the trace.
        let _ = span.set_parent(Context::new().with_remote_span_context(span_context(parent)));
    }
    exported(span).unwrap_or_else(|| {
        parent.map_or_else(
            || TraceParent::root(ids),
            |parent| parent.child(ids.bytes()),
        )
    })
}

/// As [`adopt`], for a `traceparent` text from a message or event; a malformed one starts a new trace.
pub fn set_parent_from(span: &Span, traceparent: Option<&str>, ids: &Ids) -> TraceParent {
    adopt(span, traceparent.and_then(|text| text.parse().ok()), ids)
}

/// The exported identity of a span; `None` without an exporter.
fn exported(span: &Span) -> Option<TraceParent> {
    let context = span.context();
    let span_context = context.span().span_context().clone();
    span_context.is_valid().then(|| TraceParent {
        trace_id: span_context.trace_id().to_bytes(),
        span_id: span_context.span_id().to_bytes(),
        flags: span_context.trace_flags().to_u8(),
    })
}

fn span_context(parent: TraceParent) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(parent.trace_id),
        SpanId::from_bytes(parent.span_id),
        TraceFlags::new(parent.flags),
        true,
        TraceState::default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SpanData, SpanExporter as Exporter};
    use std::sync::{Arc, Mutex};

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[derive(Clone, Debug, Default)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl Exporter for Kept {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().extend(batch);
            Ok(())
        }
    }

    #[test]
    fn without_export_a_trace_is_carried_on_by_our_own_ids() {
        let ids = Ids::seeded(1);
        let child = set_parent_from(&Span::none(), Some(PARENT), &ids);
        let parent: TraceParent = PARENT.parse().unwrap();
        assert_eq!(child.trace_id, parent.trace_id);
        assert_ne!(child.span_id, parent.span_id);
        let fresh = set_parent_from(&Span::none(), Some("nonsense"), &ids);
        assert_ne!(fresh.trace_id, parent.trace_id);
    }

    #[test]
    fn an_exported_span_joins_the_callers_trace() {
        let spans = Kept::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(spans.clone())
            .build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let adopted = tracing::subscriber::with_default(Registry::default().with(layer), || {
            let span = tracing::info_span!("request");
            let adopted = set_parent_from(&span, Some(PARENT), &Ids::seeded(1));
            let _entered = span.enter();
            assert_eq!(exported(&Span::current()), Some(adopted));
            adopted
        });
        let exported = spans.0.lock().unwrap().remove(0);
        assert_eq!(
            exported.span_context.trace_id().to_bytes(),
            adopted.trace_id
        );
        assert_eq!(exported.span_context.span_id().to_bytes(), adopted.span_id);
        assert_eq!(exported.parent_span_id.to_string(), "00f067aa0ba902b7");
    }
}
