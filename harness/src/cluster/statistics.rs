//! What containers use of their node's processors, as the cluster says.
//!
//! Two places say it: the kubelet's summary, which is always there but takes the right to `nodes/proxy`, and the
//! metrics API, which takes little and is there where somebody installed it. Neither is a matter of course, so
//! neither decides anything but where a check is about just that.

use http::Request;
use kube::Client;
use serde::{Deserialize, de::DeserializeOwned};

use super::permissions::{Permission, PermissionError, allowed, may};
use crate::{blame::Trouble, probe::PodRef};

/// A place that says what containers use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistics {
    /// The summary of the pod's kubelet, through the API server.
    Kubelet,
    /// The metrics API, which metrics-server or another serves.
    MetricsApi,
}

/// What the metrics API takes. A run goes without it.
pub const METRICS_ASKS: &[Permission] = &[may("get", "metrics.k8s.io", "pods")];

/// What the kubelet's summary takes. Never asked for: it allows commands in every pod of a node. Who has it anyway
/// may use it.
const SUMMARY_ASKS: Permission = may("get", "", "nodes/proxy");

/// What a place said of a pod.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// How many processors it used.
    Sample(Sample),
    /// It does not know the pod, or its use, yet.
    NotYet,
    /// It cannot say anything now, and why.
    Unavailable(String),
    /// There is no such place, and why that is known.
    Absent(String),
}

/// A sample of the use of processors.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// When it was taken, as it is written there: equal times are one sample.
    pub time: String,
    /// Processors.
    pub cores: f64,
}

impl Statistics {
    /// The places that this identity may ask, the fresher one first.
    ///
    /// # Errors
    ///
    /// When the API server does not say.
    pub async fn permitted(client: &Client) -> Result<Vec<Self>, PermissionError> {
        let metrics = async {
            for permission in METRICS_ASKS {
                if !allowed(client, *permission).await? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let (summary, metrics) = futures::try_join!(allowed(client, SUMMARY_ASKS), metrics)?;
        let places = [(summary, Self::Kubelet), (metrics, Self::MetricsApi)];
        Ok(places.into_iter().filter_map(|(may, place)| may.then_some(place)).collect())
    }

    /// What it says of a pod now.
    ///
    /// # Errors
    ///
    /// When the API server is lost.
    pub async fn of_pod(self, client: &Client, pod: &PodRef) -> Result<Reading, Trouble> {
        match self {
            Self::Kubelet => {
                let path = format!("/api/v1/nodes/{}/proxy/stats/summary?only_cpu_and_memory=true", pod.node);
                let summary: Result<Summary, kube::Error> = get(client, path).await;
                read(summary, "ask a kubelet for its statistics", |summary| summary.of(pod), |_status| false)
            }
            Self::MetricsApi => {
                let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods/{}", pod.namespace, pod.name);
                let metrics: Result<PodMetrics, kube::Error> = get(client, path).await;
                // Not found is the pod where the answer names it, and the whole API where it names nothing.
                let of_pod = |status: &kube::core::Status| {
                    status.code == 404 && status.details.as_ref().is_some_and(|details| details.name == pod.name)
                };
                read(metrics, "ask the metrics API", |metrics| metrics.sample(), of_pod)
            }
        }
    }
}

impl std::fmt::Display for Statistics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Kubelet => "the kubelet's summary",
            Self::MetricsApi => "the metrics API",
        })
    }
}

async fn get<T: DeserializeOwned>(client: &Client, path: String) -> Result<T, kube::Error> {
    let request = Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
    client.request(request).await
}

/// An answer as a reading; only an API server that is lost is an error.
fn read<T>(
    answer: Result<T, kube::Error>,
    action: &str,
    sample: impl FnOnce(T) -> Option<Sample>,
    not_yet: impl FnOnce(&kube::core::Status) -> bool,
) -> Result<Reading, Trouble> {
    match answer {
        Ok(answer) => Ok(sample(answer).map_or(Reading::NotYet, Reading::Sample)),
        Err(kube::Error::Api(status)) if not_yet(&status) => Ok(Reading::NotYet),
        Err(kube::Error::Api(status)) => {
            let said = format!("HTTP {}: {}", status.code, status.message.trim());
            Ok(if status.code == 404 { Reading::Absent(said) } else { Reading::Unavailable(said) })
        }
        Err(kube::Error::SerdeError(error)) => Ok(Reading::Unavailable(format!("its answer cannot be read: {error}"))),
        Err(error) => Err(Trouble::api(action, error)),
    }
}

/// The kubelet's summary, as much of it as matters here (`k8s.io/kubelet/pkg/apis/stats/v1alpha1`).
#[derive(Debug, Deserialize)]
struct Summary {
    #[serde(default)]
    pods: Vec<PodStats>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodStats {
    pod_ref: PodName,
    // Null where a pod has none yet.
    containers: Option<Vec<ContainerStats>>,
}

#[derive(Debug, Deserialize)]
struct PodName {
    name: String,
    namespace: String,
}

#[derive(Debug, Deserialize)]
struct ContainerStats {
    cpu: Option<CpuStats>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CpuStats {
    time: String,
    usage_nano_cores: Option<u64>,
}

impl Summary {
    /// The sum over the pod's containers; none while one of them has no sample.
    fn of(&self, pod: &PodRef) -> Option<Sample> {
        let of_pod = |stats: &&PodStats| stats.pod_ref.name == pod.name && stats.pod_ref.namespace == pod.namespace;
        let containers = self.pods.iter().find(of_pod)?.containers.as_deref()?;
        let mut whole: Option<Sample> = None;
        for container in containers {
            let cpu = container.cpu.as_ref()?;
            #[expect(clippy::cast_precision_loss, reason = "no container uses so many processors")]
            let cores = cpu.usage_nano_cores? as f64 / 1e9;
            match &mut whole {
                Some(whole) => whole.cores += cores,
                None => whole = Some(Sample { time: cpu.time.clone(), cores }),
            }
        }
        whole
    }
}

/// What the metrics API says of a pod (`k8s.io/metrics/pkg/apis/metrics/v1beta1`).
#[derive(Debug, Deserialize)]
struct PodMetrics {
    timestamp: String,
    #[serde(default)]
    containers: Vec<ContainerMetrics>,
}

#[derive(Debug, Deserialize)]
struct ContainerMetrics {
    usage: Usage,
}

#[derive(Debug, Deserialize)]
struct Usage {
    cpu: String,
}

impl PodMetrics {
    fn sample(&self) -> Option<Sample> {
        let cores = self.containers.iter().map(|container| cores(&container.usage.cpu)).sum::<Option<f64>>()?;
        (!self.containers.is_empty()).then(|| Sample { time: self.timestamp.clone(), cores })
    }
}

/// A quantity of processors: metrics servers write billionths, millionths, thousandths or whole ones.
fn cores(quantity: &str) -> Option<f64> {
    let at = quantity.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(quantity.len());
    let (number, suffix) = quantity.split_at(at);
    let unit = match suffix {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "" => 1.0,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::Os;

    fn pod() -> PodRef {
        PodRef {
            namespace: "ns".into(),
            name: "busy".into(),
            container: "pod".into(),
            node: "win-0".into(),
            os: Os::Windows,
            ip: String::new(),
        }
    }

    fn summary(containers: &str) -> Option<Sample> {
        // The fields are those that a kubelet 1.29 with containerd 1.7 writes on Windows.
        let text = format!(
            r#"{{"node": {{"nodeName": "win-0", "startTime": "2026-11-24T09:00:00Z",
                "cpu": {{"time": "2026-11-24T10:00:00Z", "usageNanoCores": 120000000, "usageCoreNanoSeconds": 99}}}},
              "pods": [
                {{"podRef": {{"name": "busy", "namespace": "other", "uid": "a"}}, "containers": []}},
                {{"podRef": {{"name": "busy", "namespace": "ns", "uid": "b"}}, "startTime": "2026-11-24T09:59:00Z",
                  "containers": {containers}}}]}}"#
        );
        serde_json::from_str::<Summary>(&text).unwrap().of(&pod())
    }

    #[test]
    fn a_summary_says_what_a_pod_uses_once_it_was_sampled() {
        let of = |cpu: &str| format!(r#"[{{"name": "pod", "startTime": "2026-11-24T09:59:01Z", "cpu": {cpu}}}]"#);
        let sampled = of(r#"{"time": "2026-11-24T10:00:03Z", "usageNanoCores": 998000000, "usageCoreNanoSeconds": 5}"#);
        let sample = Sample { time: "2026-11-24T10:00:03Z".to_owned(), cores: 0.998 };
        assert_eq!(summary(&sampled), Some(sample));
        // A container that just started has only the sum (kubernetes/kubernetes#72788).
        assert_eq!(summary(&of(r#"{"time": "2026-11-24T10:00:03Z", "usageCoreNanoSeconds": 5}"#)), None);
        assert_eq!(summary(&of("null")), None);
        assert_eq!(summary("null"), None);
        assert_eq!(summary("[]"), None);
    }

    #[test]
    fn the_metrics_api_writes_processors_in_several_units() {
        // As metrics-server 0.7 answers.
        let text = r#"{"kind": "PodMetrics", "apiVersion": "metrics.k8s.io/v1beta1",
            "metadata": {"name": "busy", "namespace": "ns", "creationTimestamp": "2026-11-24T10:00:20Z"},
            "timestamp": "2026-11-24T10:00:08Z", "window": "15.061s",
            "containers": [{"name": "pod", "usage": {"cpu": "1003145673n", "memory": "214016Ki"}}]}"#;
        let sample = serde_json::from_str::<PodMetrics>(text).unwrap().sample().unwrap();
        assert_eq!(sample.time, "2026-11-24T10:00:08Z");
        assert!((sample.cores - 1.003).abs() < 0.001, "{sample:?}");
        for (written, read) in [("0", Some(0.0)), ("980m", Some(0.98)), ("2", Some(2.0)), ("250000u", Some(0.25))] {
            assert_eq!(cores(written), read, "{written}");
        }
        assert_eq!(cores("12Ki"), None);
        assert_eq!(cores(""), None);
    }

    fn refused(code: u16, details: Option<&str>) -> Reading {
        let mut status = kube::core::Status::failure("not found", "NotFound").with_code(code);
        let details =
            details.map(|name| serde_json::json!({ "name": name, "group": "metrics.k8s.io", "kind": "pods" }));
        status.details = details.map(|details| serde_json::from_value(details).unwrap());
        let of_pod = |status: &kube::core::Status| {
            status.code == 404 && status.details.as_ref().is_some_and(|details| details.name == "busy")
        };
        read(Err::<PodMetrics, _>(kube::Error::Api(status.boxed())), "ask", |metrics| metrics.sample(), of_pod).unwrap()
    }

    #[test]
    fn a_pod_without_metrics_is_told_from_a_cluster_without_them() {
        assert_eq!(refused(404, Some("busy")), Reading::NotYet);
        assert!(matches!(refused(404, None), Reading::Absent(_)));
        assert_eq!(refused(503, None), Reading::Unavailable("HTTP 503: not found".to_owned()));
    }

    proptest! {
        #[test]
        fn no_quantity_is_read_as_a_negative_number(text in ".{0,12}") {
            prop_assert!(cores(&text).is_none_or(|cores| cores >= 0.0));
        }
    }
}
