//! The process's metrics, in one registry of its own, encoded in the Prometheus text format.

use std::sync::{Arc, PoisonError, RwLock};

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

/// Content type of [`Metrics::encode`]'s text.
pub const TEXT_FORMAT: &str = prometheus::TEXT_FORMAT;

const SECONDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

type Hook = Box<dyn Fn(&Metrics) + Send + Sync>;

/// Metrics that every process has, and a registry for more. Cheap to clone; clones share everything.
#[derive(Clone)]
#[allow(missing_docs, reason = "each metric's help text says what it counts")]
pub struct Metrics {
    registry: Registry,
    hooks: Arc<RwLock<Vec<Hook>>>,
    pub commits_total: IntCounter,
    pub commit_refused_total: IntCounter,
    pub relay_lag_positions: IntGauge,
    pub relay_published_total: IntCounter,
    pub view_lag_positions: IntGaugeVec,
    pub queue_depth: IntGaugeVec,
    pub erasures_waiting: IntGauge,
    pub delivery_outcomes_total: IntCounterVec,
    pub feedback_total: IntCounterVec,
    pub engagement_total: IntCounterVec,
    pub http_requests_total: IntCounterVec,
    pub http_request_seconds: HistogramVec,
}

/// A metric that the registry refuses: a malformed name, or one that is taken.
#[derive(Debug, thiserror::Error)]
#[error("metric {name} cannot be registered")]
pub struct MetricsError {
    name: String,
    #[source]
    source: prometheus::Error,
}

impl Metrics {
    /// A fresh registry with the metrics above, all at zero.
    ///
    /// # Errors
    /// None in practice: a test builds it.
    pub fn new() -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let r = &registry;
        Ok(Self {
            commits_total: counter(r, "commits_total", "Commits accepted into the log")?,
            commit_refused_total: counter(r, "commit_refused_total", "Commits refused by a guard")?,
            relay_lag_positions: register(r, "relay_lag_positions", |name| {
                IntGauge::new(
                    name,
                    "Positions in the log that JetStream does not have yet",
                )
            })?,
            relay_published_total: counter(r, "relay_published_total", "Events put in JetStream")?,
            view_lag_positions: gauges(
                r,
                "view_lag_positions",
                "Positions a view has not folded yet",
                &["view"],
            )?,
            queue_depth: gauges(r, "queue_depth", "Deliveries in the queue", &["state"])?,
            erasures_waiting: register(r, "erasures_waiting", |name| {
                IntGauge::new(name, "Erasures that were asked for and are not done")
            })?,
            delivery_outcomes_total: counters(
                r,
                "delivery_outcomes_total",
                "Outcomes of delivery attempts",
                &["channel_kind", "outcome"],
            )?,
            feedback_total: counters(
                r,
                "feedback_total",
                "Reports of receiving sides about messages they took",
                &["source", "result"],
            )?,
            engagement_total: counters(
                r,
                "engagement_total",
                "What mails told of their readers",
                &["what", "result"],
            )?,
            http_requests_total: counters(
                r,
                "http_requests_total",
                "Requests answered",
                &["route", "method", "status"],
            )?,
            http_request_seconds: register(r, "http_request_seconds", |name| {
                let opts = HistogramOpts::new(name, "Time to answer a request");
                HistogramVec::new(opts.buckets(SECONDS.to_vec()), &["route"])
            })?,
            hooks: Arc::default(),
            registry,
        })
    }

    /// Registers a further counter as `tidings_<name>`.
    ///
    /// # Errors
    /// When the name is malformed or taken.
    pub fn counter(&self, name: &str, help: &str) -> Result<IntCounter, MetricsError> {
        counter(&self.registry, name, help)
    }

    /// Registers a further family of counters as `tidings_<name>`.
    ///
    /// # Errors
    /// When the name is malformed or taken.
    pub fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, MetricsError> {
        counters(&self.registry, name, help, labels)
    }

    /// Registers a further family of gauges as `tidings_<name>`.
    ///
    /// # Errors
    /// When the name is malformed or taken.
    pub fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, MetricsError> {
        gauges(&self.registry, name, help, labels)
    }

    /// Registers a further histogram of seconds as `tidings_<name>`.
    ///
    /// # Errors
    /// When the name is malformed or taken.
    pub fn seconds(&self, name: &str, help: &str) -> Result<Histogram, MetricsError> {
        self.histogram(name, help, &SECONDS)
    }

    /// Registers a further histogram as `tidings_<name>`; `buckets` are upper bounds, ascending.
    ///
    /// # Errors
    /// When the name is malformed or taken.
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<Histogram, MetricsError> {
        register(&self.registry, name, |name| {
            Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))
        })
    }

    /// Calls `hook` before each scrape, to copy figures that are kept elsewhere. It must not block.
    pub fn on_scrape(&self, hook: Hook) {
        self.hooks
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(hook);
    }

    /// All metrics in the Prometheus text format.
    ///
    /// # Errors
    /// When a metric cannot be encoded.
    pub fn encode(&self) -> Result<String, prometheus::Error> {
        for hook in self
            .hooks
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            hook(self);
        }
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Raises `counter` to `total`, a running total kept elsewhere; a counter never falls.
pub fn raise(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

fn register<M: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    name: &str,
    make: impl FnOnce(String) -> prometheus::Result<M>,
) -> Result<M, MetricsError> {
    let name = format!("tidings_{name}");
    make(name.clone())
        .and_then(|metric| {
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        })
        .map_err(|source| MetricsError { name, source })
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, MetricsError> {
    register(registry, name, |name| IntCounter::new(name, help))
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, MetricsError> {
    register(registry, name, |name| {
        IntCounterVec::new(Opts::new(name, help), labels)
    })
}

fn gauges(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, MetricsError> {
    register(registry, name, |name| {
        IntGaugeVec::new(Opts::new(name, help), labels)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_copy_figures_at_each_scrape() {
        let metrics = Metrics::new().unwrap();
        metrics.on_scrape(Box::new(|m| {
            raise(&m.commits_total, 5);
            m.view_lag_positions.with_label_values(&["audience"]).set(3);
        }));
        metrics.encode().unwrap();
        let text = metrics.encode().unwrap();
        assert!(text.contains("\ntidings_commits_total 5\n"), "{text}");
        assert!(text.contains("\ntidings_view_lag_positions{view=\"audience\"} 3\n"));
    }

    #[test]
    fn a_counter_copied_from_elsewhere_never_falls() {
        let metrics = Metrics::new().unwrap();
        raise(&metrics.commits_total, 5);
        raise(&metrics.commits_total, 2);
        assert_eq!(metrics.commits_total.get(), 5);
    }

    #[test]
    fn two_registries_live_side_by_side_and_a_name_is_taken_once() {
        let (a, b) = (Metrics::new().unwrap(), Metrics::new().unwrap());
        a.commits_total.inc();
        assert_eq!(b.commits_total.get(), 0);
        assert!(a.counter("commits_total", "again").is_err());
    }
}
