//! The limits of the guide's IIS hold: memory beyond them cannot be had, and processors beyond them are not given.
//!
//! Reading the numbers back proves nothing: they have stood in pods that Windows nodes held to no limit
//! (kubernetes/kubernetes 75296, 85379). So memory is asked for by programs, in a pod with limits and in one without, and
//! a pod with two programs that compute is looked at in the cluster's own statistics.

use std::{cmp::Reverse, time::Duration};

use futures::join;
use tokio::time::Instant;
use winconform_harness::{
    Answer, Budget, Check, Claims, Context, Explain, Failure, Trouble,
    cluster::{METRICS_ASKS, NodeFacts, Reading, Sample, Statistics},
    probe::PodRef,
};
use winconform_manifests::{IIS_RESOURCES_APPLIED, Object};
use winconform_reports::{Chain, Verdict, event::Observation};

use crate::trial::{TRIAL, exactly, not_up, spec_of};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "iis/resources-applied",
    title: "Limits hold: no memory and no processors beyond those of the guide's IIS",
    statement: "C4",
    passing: "In a pod limited to 800Mi a program was given 500 MB and refused 900 MB, which one in a pod without limits was given; two programs that compute under a limit of 1 CPU got about 1 by the cluster's statistics.",
    silent_on: "Whether requests are kept free on a crowded node, and nodes whose own load leaves no more than the limit.",
    creates: &[IIS_RESOURCES_APPLIED],
    claims: Claims::pods(3),
    looks_at: METRICS_ASKS,
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://kubernetes.io/docs/concepts/configuration/windows-resource-management/",
            "https://github.com/kubernetes/kubernetes/issues/75296",
            "https://github.com/kubernetes/kubernetes/issues/85379",
        ],
        failures: &[
            Failure {
                seen: "A pod computes on more processors than its limit.",
                advice: "The kubelet or the runtime on that node drops the limit: compare their versions with nodes where it holds, and read the container's with `crictl inspect`.",
            },
            Failure {
                seen: "900 MB can be had under a limit of 800Mi.",
                advice: "The container's job object has no memory limit: `crictl inspect` on the node says what the runtime was told.",
            },
            Failure {
                seen: "Not even 500 MB can be had under a limit of 800Mi, though they can without one.",
                advice: "The node holds containers to less than their limit, for example to their request: give the two the same value until it is mended.",
            },
        ],
        by_hand: &[
            "kubectl exec POD -- powershell -Command \"try { $a = [byte[]]::new(900MB); 'given' } catch { $_.FullyQualifiedErrorId }\"",
            "kubectl top pod POD",
            "kubectl get --raw /api/v1/nodes/NODE/proxy/stats/summary",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

/// The limits in the manifest; a test holds them against it.
const MEMORY_LIMIT: &str = "800Mi";
const CPU_LIMIT: f64 = 1.0;

/// Sizes below and beyond the limit, in PowerShell's megabytes. Windows and PowerShell itself take about 150 of the limit.
const FITS: u32 = 500;
const TOO_MUCH: u32 = 900;

/// A limit is kept by the scheduler of Windows over short intervals, and samples are not exact.
const AT_MOST: f64 = 1.25 * CPU_LIMIT;
/// Below this the programs did not press against their limit, so it was not seen to hold.
const AT_LEAST: f64 = 0.75 * CPU_LIMIT;
/// Between two samples: kubelets take one every ten seconds.
const PERIOD: Duration = Duration::from_secs(10);
/// How many samples decide.
const ENOUGH: usize = 2;
/// How often a place that says nothing is asked: kubelets fail while containers come and go (kubernetes/kubernetes#98509).
const TRIES: u32 = 3;

async fn run(cx: Context) -> Answer {
    let mut nodes = cx.open_nodes_here()?;
    nodes.sort_by_key(|node| Reverse(node.cpus));
    let node = nodes.first().ok_or_else(|| Trouble::Unexpected("no node of this place takes pods".to_owned()))?;
    let (memory, processors) = join!(memory(&cx, node), processors(&cx, node));
    both(memory, processors)
}

/// One verdict of the two halves: what is broken is said whatever became of the other half.
fn both(memory: Answer, processors: Answer) -> Answer {
    match (memory, processors) {
        (Ok(Verdict::Failed(memory)), Ok(Verdict::Failed(processors))) => {
            Ok(Verdict::Failed(format!("{memory}; {processors}")))
        }
        (Ok(broken @ Verdict::Failed(_)), _) | (_, Ok(broken @ Verdict::Failed(_))) => Ok(broken),
        (Err(trouble), _) | (_, Err(trouble)) => Err(trouble),
        (Ok(Verdict::Passed(memory)), Ok(Verdict::Passed(processors))) => {
            Ok(Verdict::Passed(format!("{memory}; {processors}")))
        }
        (Ok(Verdict::Passed(memory)), Ok(Verdict::NotApplicable(why))) => {
            Ok(Verdict::Passed(format!("{memory}; processors were not looked at: {why}")))
        }
        (Ok(Verdict::Passed(_)), Ok(other)) | (Ok(other), Ok(_)) => Ok(other),
    }
}

/// The two pods of the manifest, on this node and called so.
fn draft(cx: &Context, name: &str, node: &NodeFacts) -> Result<[Object; 2], Trouble> {
    exactly(cx.draft(&IIS_RESOURCES_APPLIED, name, &[node])?)
}

/// Creates a pod; says where a policy of the cluster has changed its limits, for nothing would follow from those.
async fn create(cx: &Context, pod: &Object) -> Result<Result<Object, Verdict>, Trouble> {
    let made = cx.create(pod).await?;
    let limits = |object: &Object| {
        let containers = object.pod_spec().map(|spec| spec.containers.clone()).unwrap_or_default();
        let of = |container: k8s_openapi::api::core::v1::Container| container.resources.and_then(|found| found.limits);
        containers.into_iter().map(|container| of(container).unwrap_or_default()).collect::<Vec<_>>()
    };
    Ok(match limits(&made) == limits(pod) {
        true => Ok(made),
        false => Err(Verdict::Undetermined(format!(
            "pod {} came back with other limits than it was sent with: a policy of the cluster sets them",
            pod.name()
        ))),
    })
}

async fn ready(cx: &Context, pod: &Object) -> Result<PodRef, Trouble> {
    cx.pod_ready(pod).await.map_err(|trouble| not_up(pod, &trouble))
}

/// What a program that asked for memory said.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Given,
    /// .NET's exception where the system has no more.
    OutOfMemory,
    /// It ended otherwise.
    Otherwise(String),
}

impl Asked {
    const GIVEN: &str = "wc-given";
    const REFUSED: &str = "wc-refused";

    /// One process for each size, so that nothing is left of the one before. Nothing in it is special to cmd, and no
    /// quotes but single ones, which need no escaping on the way to a Windows process.
    fn line(megabytes: u32) -> String {
        format!(
            "powershell.exe -NoProfile -Command try {{ $a = [byte[]]::new({megabytes}MB); '{} ' + $a.Length }} \
             catch {{ '{} ' + $_.FullyQualifiedErrorId }}",
            Self::GIVEN,
            Self::REFUSED
        )
    }

    fn read(output: &str, error: &str) -> Self {
        let said = |mark: &str| output.lines().find_map(|line| line.trim().strip_prefix(mark));
        match (said(Self::GIVEN), said(Self::REFUSED)) {
            (Some(_size), _) => Self::Given,
            // `System.OutOfMemoryException`, and its child `System.InsufficientMemoryException`.
            (None, Some(id)) if id.contains("OutOfMemory") || id.contains("InsufficientMemory") => Self::OutOfMemory,
            (None, Some(id)) => Self::Otherwise(id.trim().to_owned()),
            (None, None) => Self::Otherwise(format!("{} {}", output.trim(), error.trim()).trim().to_owned()),
        }
    }
}

async fn ask(cx: &Context, pod: &PodRef, megabytes: u32) -> Result<Asked, Trouble> {
    let output = cx.ask(pod, &Asked::line(megabytes), Duration::from_secs(60)).await?;
    Ok(Asked::read(&output.stdout, &output.stderr))
}

async fn memory(cx: &Context, node: &NodeFacts) -> Answer {
    let [limited, _] = draft(cx, "limited", node)?;
    let [mut free, _] = draft(cx, "free", node)?;
    for container in &mut spec_of(&mut free)?.containers {
        container.resources = None;
    }
    for pod in [&limited, &free] {
        if let Err(verdict) = create(cx, pod).await? {
            return Ok(verdict);
        }
    }
    let (limited, free) = join!(ready(cx, &limited), ready(cx, &free));
    let (limited, free) = (limited?, free?);
    let of_limited = async { Ok::<_, Trouble>((ask(cx, &limited, FITS).await?, ask(cx, &limited, TOO_MUCH).await?)) };
    let (of_limited, of_free) = join!(of_limited, ask(cx, &free, TOO_MUCH));
    let (fits, too_much) = of_limited?;
    let verdict = judge_memory(&node.name, &fits, &too_much, &of_free?);
    if let Verdict::Failed(_) = &verdict {
        let (expected, found) = match fits {
            Asked::Given => (format!("less than {TOO_MUCH} MB"), format!("{TOO_MUCH} MB")),
            _ => (format!("at least {FITS} MB"), "less".to_owned()),
        };
        cx.observe(Observation::Node {
            node: node.name.clone(),
            what: format!("memory for a container limited to {MEMORY_LIMIT}"),
            expected,
            found,
        });
    }
    Ok(verdict)
}

/// Judges what programs were given: two sizes under the limit, and the larger one without a limit.
fn judge_memory(node: &str, fits: &Asked, too_much: &Asked, control: &Asked) -> Verdict {
    let unclear = |pod: &str, size: u32, said: &str| {
        Verdict::Undetermined(format!("asking for {size} MB in a pod {pod} on {node} ended otherwise: {said}"))
    };
    match (control, fits, too_much) {
        (Asked::OutOfMemory, ..) => Verdict::Undetermined(format!(
            "a pod without limits on {node} was refused {TOO_MUCH} MB as well, so a refusal proves nothing: the node is short of memory"
        )),
        (Asked::Otherwise(said), ..) => unclear("without limits", TOO_MUCH, said),
        (_, Asked::Otherwise(said), _) => unclear("with limits", FITS, said),
        (_, Asked::OutOfMemory, _) => {
            Verdict::Failed(format!("a pod limited to {MEMORY_LIMIT} on {node} was refused even {FITS} MB"))
        }
        (_, _, Asked::Otherwise(said)) => unclear("with limits", TOO_MUCH, said),
        (_, _, Asked::Given) => {
            Verdict::Failed(format!("a pod limited to {MEMORY_LIMIT} on {node} was given {TOO_MUCH} MB"))
        }
        (Asked::Given, Asked::Given, Asked::OutOfMemory) => {
            Verdict::Passed(format!("under {MEMORY_LIMIT} on {node}, {FITS} MB were given and {TOO_MUCH} MB refused"))
        }
    }
}

async fn processors(cx: &Context, node: &NodeFacts) -> Answer {
    match node.cpus {
        None => return Ok(Verdict::NotApplicable(format!("{} does not say how many processors it has", node.name))),
        Some(0 | 1) => {
            return Ok(Verdict::NotApplicable(format!("{} has no more processors than the limit allows", node.name)));
        }
        Some(_) => {}
    }
    let places = match Statistics::permitted(&cx.client()).await {
        Ok(places) => places,
        Err(error) => return Ok(Verdict::Undetermined(Chain(&error).to_string())),
    };
    if places.is_empty() {
        return Ok(Verdict::NotApplicable(
            "this identity may use neither `get pods.metrics.k8s.io` nor `get nodes/proxy`".to_owned(),
        ));
    }
    let [_, busy] = draft(cx, "busy", node)?;
    if let Err(verdict) = create(cx, &busy).await? {
        return Ok(verdict);
    }
    let busy = ready(cx, &busy).await?;
    let mut silent = Vec::new();
    for place in places {
        match sampled(cx, place, &busy).await? {
            Ok(samples) => return Ok(judge_samples(cx, &busy.node, place, &samples)),
            Err(why) => silent.push(format!("{place}: {why}")),
        }
    }
    Ok(Verdict::NotApplicable(format!("there are no statistics of {} ({})", node.name, silent.join("; "))))
}

/// What a place says of the pod, until that decides or the budget is spent; why not, where it says nothing.
///
/// Nothing tells when there is a new sample, so one is asked for once in a period.
async fn sampled(cx: &Context, place: Statistics, pod: &PodRef) -> Result<Result<Samples, String>, Trouble> {
    let until = Instant::now() + cx.budgets().of(Budget::Statistics);
    let mut samples = Samples::default();
    let mut silent = 0;
    loop {
        match place.of_pod(&cx.client(), pod).await? {
            Reading::Sample(sample) => {
                silent = 0;
                samples.take(sample);
            }
            Reading::NotYet => silent = 0,
            Reading::Absent(why) => return Ok(Err(why)),
            Reading::Unavailable(why) => {
                silent += 1;
                if silent >= TRIES {
                    return Ok(Err(why));
                }
            }
        }
        if samples.side().is_some() {
            return Ok(Ok(samples));
        }
        if Instant::now() >= until {
            return Ok(match samples.seen.is_empty() {
                true => Err("it has no sample of a pod that runs".to_owned()),
                false => Ok(samples),
            });
        }
        cx.let_pass(cx.budgets().stretch(PERIOD)).await;
    }
}

/// The samples of one pod so far, oldest first.
#[derive(Debug, Default)]
struct Samples {
    seen: Vec<Sample>,
}

/// Where samples lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Kept,
    Beyond,
}

impl Samples {
    fn take(&mut self, sample: Sample) {
        // The same sample again says nothing new. Zeros come in between (containerd/containerd#9531).
        if sample.cores > 0.0 && self.seen.last().is_none_or(|last| last.time != sample.time) {
            self.seen.push(sample);
        }
    }

    fn of(&self, side: Side) -> impl Iterator<Item = f64> + '_ {
        let side_of = |cores: f64| match cores {
            cores if cores > AT_MOST => Some(Side::Beyond),
            cores if cores >= AT_LEAST => Some(Side::Kept),
            _ => None,
        };
        self.seen.iter().map(|sample| sample.cores).filter(move |cores| side_of(*cores) == Some(side))
    }

    /// The side on which there are enough of them.
    fn side(&self) -> Option<Side> {
        [Side::Beyond, Side::Kept].into_iter().find(|side| self.of(*side).count() >= ENOUGH)
    }
}

fn judge_samples(cx: &Context, node: &str, place: Statistics, samples: &Samples) -> Verdict {
    let shown = |cores: Vec<f64>| cores.iter().map(|cores| format!("{cores:.2}")).collect::<Vec<_>>().join(" and ");
    match samples.side() {
        Some(Side::Kept) => Verdict::Passed(format!(
            "under {CPU_LIMIT} CPU, two programs used {} by {place}",
            shown(samples.of(Side::Kept).collect())
        )),
        Some(Side::Beyond) => {
            let found = shown(samples.of(Side::Beyond).collect());
            cx.observe(Observation::Node {
                node: node.to_owned(),
                what: format!("processors for a container limited to {CPU_LIMIT}"),
                expected: format!("at most {AT_MOST}"),
                found: found.clone(),
            });
            Verdict::Failed(format!("a pod limited to {CPU_LIMIT} CPU on {node} used {found} by {place}"))
        }
        None => Verdict::Undetermined(format!(
            "two programs that compute on {node} used {} CPU by {place}, so their limit of {CPU_LIMIT} was not reached: the node is busy, or its statistics lag",
            shown(samples.seen.iter().map(|sample| sample.cores).collect())
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_asked_about_are_those_of_the_manifest() {
        for pod in IIS_RESOURCES_APPLIED.objects().unwrap() {
            let resources = pod.pod_spec().unwrap().containers[0].resources.clone().unwrap();
            let limits = resources.limits.unwrap();
            assert_eq!(limits["memory"].0, MEMORY_LIMIT);
            assert_eq!(limits["cpu"].0.parse::<f64>(), Ok(CPU_LIMIT));
        }
    }

    #[test]
    fn windows_powershells_words_for_too_little_memory_are_known() {
        // Windows PowerShell 5.1: the id of an exception is its type; New-Object adds its own name.
        for (output, read) in [
            ("wc-given 524288000\r\n", Asked::Given),
            ("wc-refused System.OutOfMemoryException\r\n", Asked::OutOfMemory),
            ("wc-refused OutOfMemoryException\r\n", Asked::OutOfMemory),
            (
                "wc-refused System.OutOfMemoryException,Microsoft.PowerShell.Commands.NewObjectCommand\r\n",
                Asked::OutOfMemory,
            ),
            ("wc-refused System.InsufficientMemoryException\r\n", Asked::OutOfMemory),
            ("wc-refused TypeNotFound\r\n", Asked::Otherwise("TypeNotFound".to_owned())),
            ("", Asked::Otherwise("it would not start".to_owned())),
        ] {
            assert_eq!(Asked::read(output, "it would not start"), read, "{output}");
        }
        assert!(!Asked::line(FITS).contains(['"', '&', '|', '<', '>', '^', '%']));
    }

    #[test]
    fn a_refusal_counts_only_where_a_pod_without_limits_was_given_as_much() {
        let (given, refused) = (Asked::Given, Asked::OutOfMemory);
        let judged = |fits: &Asked, too_much: &Asked, control: &Asked| judge_memory("win-0", fits, too_much, control);
        assert!(matches!(judged(&given, &refused, &given), Verdict::Passed(_)));
        assert!(matches!(judged(&given, &given, &given), Verdict::Failed(_)));
        assert!(matches!(judged(&refused, &refused, &given), Verdict::Failed(_)));
        assert!(matches!(judged(&given, &refused, &refused), Verdict::Undetermined(_)));
        let otherwise = Asked::Otherwise("no PowerShell".to_owned());
        for (fits, too_much, control) in
            [(&otherwise, &given, &given), (&given, &otherwise, &given), (&given, &refused, &otherwise)]
        {
            assert!(matches!(judged(fits, too_much, control), Verdict::Undetermined(_)));
        }
    }

    fn side(cores: &[f64]) -> Option<Side> {
        let mut samples = Samples::default();
        for (at, cores) in cores.iter().enumerate() {
            samples.take(Sample { time: format!("{at}"), cores: *cores });
        }
        samples.side()
    }

    #[test]
    fn two_samples_on_one_side_decide_and_what_did_not_press_decides_nothing() {
        assert_eq!(side(&[0.02, 0.4, 0.99, 1.01]), Some(Side::Kept));
        assert_eq!(side(&[0.9, 0.0, 1.1]), Some(Side::Kept), "a zero in between is no sample");
        assert_eq!(side(&[1.98, 1.97]), Some(Side::Beyond));
        assert_eq!(side(&[1.98, 0.99]), None, "one spike is none");
        assert_eq!(side(&[0.3, 0.4, 0.5, 0.6]), None);
        let mut again = Samples::default();
        for _ in 0..3 {
            again.take(Sample { time: "same".to_owned(), cores: 1.0 });
        }
        assert_eq!(again.side(), None, "one sample read thrice is one");
    }

    #[test]
    fn a_broken_half_is_said_whatever_became_of_the_other() {
        let passed = || Ok(Verdict::Passed("a".to_owned()));
        let failed = || Ok(Verdict::Failed("b".to_owned()));
        let absent = || Ok(Verdict::NotApplicable("c".to_owned()));
        let unclear = || Ok(Verdict::Undetermined("d".to_owned()));
        let trouble = || Err(Trouble::Unexpected("e".to_owned()));
        for (memory, processors) in [(failed(), trouble()), (unclear(), failed()), (failed(), absent())] {
            assert!(matches!(both(memory, processors), Ok(Verdict::Failed(_))));
        }
        assert_eq!(
            both(passed(), absent()).unwrap(),
            Verdict::Passed("a; processors were not looked at: c".to_owned())
        );
        assert!(matches!(both(unclear(), passed()), Ok(Verdict::Undetermined(_))));
        assert!(matches!(both(passed(), unclear()), Ok(Verdict::Undetermined(_))));
        assert!(both(passed(), trouble()).is_err());
    }
}
