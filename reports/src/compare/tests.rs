use super::*;
use crate::{
    Record, Report, Verdict,
    event::{Event, Finished, Node, Observed, Phase, Plan, PodTimeline, Target},
    tests::{finished, id, planned, started},
};

/// A run as a snapshot: targets with their nodes, and answers.
struct Story {
    records: Vec<Record>,
}

fn node(name: &str, build: &str) -> Node {
    let target = (!build.is_empty()).then(|| build.to_owned());
    Node {
        name: name.into(),
        os: if target.is_some() { "windows" } else { "linux" }.into(),
        kernel_version: build.into(),
        container_runtime: "containerd://1.7.29".into(),
        target,
        ..Node::default()
    }
}

impl Story {
    fn on(nodes: &[(&str, &str)]) -> Self {
        let nodes: Vec<Node> = nodes.iter().map(|(name, build)| node(name, build)).collect();
        let mut targets: Vec<Target> = Vec::new();
        for node in &nodes {
            let Some(name) = &node.target else { continue };
            match targets.iter_mut().find(|target| target.name == *name) {
                Some(target) => target.nodes.push(node.name.clone()),
                None => targets.push(Target { name: name.clone(), product: None, nodes: vec![node.name.clone()] }),
            }
        }
        let observed = Observed { cluster: crate::event::Cluster::default(), nodes, targets };
        Self { records: vec![started()] }.and(Event::ClusterObserved(observed))
    }

    fn and(mut self, event: Event) -> Self {
        self.records.push(Record { ms: 1, event });
        self
    }

    fn answers(mut self, answers: &[(&str, Verdict)]) -> Self {
        let results = answers.iter().map(|(id, _)| planned(id)).collect();
        self = self.and(Event::Planned(Plan { results, ..Plan::default() }));
        answers.iter().fold(self, |story, (id, verdict)| story.and(finished(id, verdict.clone())))
    }

    /// Several rounds of one answer, each of so many milliseconds.
    fn rounds(self, name: &str, rounds: &[(Verdict, u64)]) -> Self {
        let story = self.and(Event::Planned(Plan { results: vec![planned(name)], ..Plan::default() }));
        rounds.iter().zip(1..).fold(story, |story, ((verdict, ms), round)| {
            story.and(Event::CheckFinished(Box::new(Finished {
                id: id(name),
                verdict: verdict.clone(),
                attempts: 1,
                flaky: false,
                earlier: Vec::new(),
                round,
                ms: *ms,
                phases: Vec::new(),
                observations: Vec::new(),
                evidence: Vec::new(),
            })))
        })
    }

    /// A pod that started in so many milliseconds, once in each round.
    fn pods(self, node: &str, build: &str, times: &[u64]) -> Self {
        times.iter().zip(1..).fold(self, |story, (&ms, round)| {
            story.and(Event::PodTimeline(PodTimeline {
                owner: "win-webserver".into(),
                pod: format!("web-{round}"),
                node: node.into(),
                target: Some(build.into()),
                phases: vec![Phase { name: "sandbox".into(), ms }],
                images: Vec::new(),
                round,
            }))
        })
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::of(&Report::from_records(&self.records))
    }
}

const OLD: &str = "10.0.20348.1";
const NEW: &str = "10.0.20348.2";

fn passed() -> Verdict {
    Verdict::Passed("ok".into())
}

fn failed(why: &str) -> Verdict {
    Verdict::Failed(why.into())
}

fn compared(base: &Story, candidate: &Story) -> Comparison {
    compare(&base.snapshot(), &candidate.snapshot(), &[]).unwrap()
}

fn kinds(comparison: &Comparison) -> Vec<(ChangeKind, &str)> {
    comparison.changes.iter().map(|change| (change.kind, change.id.as_str())).collect()
}

#[test]
fn a_patch_level_is_an_attribute_and_not_identity() {
    let base = Story::on(&[("a", OLD), ("l", "")]).answers(&[("iis/deploys@10.0.20348.1", passed())]);
    let candidate = Story::on(&[("b", NEW), ("l", "")]).answers(&[("iis/deploys@10.0.20348.2", failed("no page"))]);
    let comparison = compared(&base, &candidate);
    assert_eq!(kinds(&comparison), [(ChangeKind::Regressed, "iis/deploys@10.0.20348.2")]);
    assert_eq!(comparison.changes[0].base_id.as_deref(), Some("iis/deploys@10.0.20348.1"));
    assert_eq!(comparison.pairs[0].by, PairedBy::Build);
    assert_eq!(comparison.node_pairs[0].by, PairedBy::Place, "the nodes of the pair have other names");
    assert_eq!(comparison.environment[0].what, "Windows build");
    assert_eq!(comparison.exit_code(&FailOn::default()), 1);
    assert_eq!(comparison.exit_code(&"none".parse().unwrap()), 0);
}

#[test]
fn every_change_has_its_kind() {
    let lost = || Verdict::Undetermined("lost".into());
    let limited = || Verdict::LimitationPresent("as documented".into());
    let lifted = || Verdict::LimitationLifted("reachable".into());
    use ChangeKind as Kind;
    let table = [
        (passed(), passed(), None),
        (passed(), failed("x"), Some(Kind::Regressed)),
        (failed("x"), passed(), Some(Kind::Fixed)),
        (failed("x"), failed("other words"), Some(Kind::StillFails)),
        (failed("x"), lost(), Some(Kind::CoverageLost)),
        (lost(), failed("x"), Some(Kind::NewFailure)),
        (lost(), passed(), Some(Kind::CoverageGained)),
        (lost(), lost(), None),
        (limited(), lifted(), Some(Kind::LimitationLifted)),
        (lifted(), limited(), Some(Kind::LimitationAppeared)),
        (limited(), failed("x"), Some(Kind::Regressed)),
    ];
    for (before, after, kind) in table {
        let story = |verdict: &Verdict| Story::on(&[("l", "")]).answers(&[("iis/deploys", verdict.clone())]);
        let comparison = compared(&story(&before), &story(&after));
        assert_eq!(comparison.changes.first().map(|change| change.kind), kind, "{before:?} → {after:?}");
    }
}

#[test]
fn a_flaky_answer_is_worse_only_where_chance_does_not_account_for_it() {
    let of = |fails: usize| {
        let rounds: Vec<(Verdict, u64)> =
            (0..20).map(|round| (if round < fails { failed("x") } else { passed() }, 10)).collect();
        Story::on(&[("l", "")]).rounds("iis/deploys", &rounds)
    };
    assert_eq!(kinds(&compared(&of(0), &of(3)))[0].0, ChangeKind::NewlyFlaky);
    assert_eq!(kinds(&compared(&of(3), &of(0)))[0].0, ChangeKind::NoLongerFlaky);
    assert_eq!(kinds(&compared(&of(3), &of(4)))[0].0, ChangeKind::StillFails);
    assert_eq!(kinds(&compared(&of(1), &of(15)))[0].0, ChangeKind::Regressed);
}

#[test]
fn what_the_other_side_did_not_ask_is_coverage() {
    let both = [("nodes/ready", passed()), ("iis/deploys", passed())];
    let base = Story::on(&[("l", "")]).answers(&both);
    let candidate = Story::on(&[("l", "")]).answers(&both[..1]);
    assert_eq!(kinds(&compared(&base, &candidate)), [(ChangeKind::CoverageLost, "iis/deploys")]);
    assert_eq!(kinds(&compared(&candidate, &base)), [(ChangeKind::CoverageGained, "iis/deploys")]);
}

#[test]
fn what_has_no_counterpart_is_said_and_not_compared() {
    let base = Story::on(&[("a", OLD), ("b", "10.0.17763.1")])
        .answers(&[("iis/deploys@10.0.20348.1", passed()), ("iis/deploys@10.0.17763.1", passed())]);
    let candidate = Story::on(&[("a", OLD)]).answers(&[("iis/deploys@10.0.20348.1", passed())]);
    let comparison = compared(&base, &candidate);
    assert_eq!(comparison.unpaired.base_targets, ["10.0.17763.1"]);
    assert_eq!((comparison.unpaired.answers, comparison.compared, comparison.changes.len()), (1, 1, 0));
}

#[test]
fn the_user_may_pair_and_is_told_what_cannot_be_paired() {
    let base = Story::on(&[("a", OLD), ("b", "10.0.17763.1")]).snapshot();
    let candidate = Story::on(&[("c", "10.0.26100.1"), ("d", "10.0.25398.1")]).snapshot();
    assert_eq!(compare(&base, &candidate, &[]).unwrap().pairs, [], "two are left on each side: nothing says which");
    let pair = |text: &str| compare(&base, &candidate, &[text.parse().unwrap()]);
    let pairs = pair("10.0.20348=10.0.26100").unwrap().pairs;
    let by: Vec<PairedBy> = pairs.iter().map(|pair| pair.by).collect();
    assert_eq!(by, [PairedBy::User, PairedBy::LastLeft]);
    let refused = [pair("10.0.9=10.0.26100"), pair("10.0.=10.0.26100"), pair("10.0.20348=2025")];
    insta::assert_snapshot!(refused.map(|refused| refused.unwrap_err().to_string()).join("\n"), @r"
    the base has no target `10.0.9`; it has 10.0.20348.1, 10.0.17763.1
    `10.0.` could be several targets of the base: 10.0.20348.1, 10.0.17763.1
    the candidate has no target `2025`; it has 10.0.26100.1, 10.0.25398.1
    ");
}

#[test]
fn slower_starts_are_told_with_enough_samples_and_never_one_against_one() {
    let story = |times: &[u64]| Story::on(&[("a", OLD)]).answers(&[("nodes/ready", passed())]).pods("a", OLD, times);
    let base: Vec<u64> = (0..10).map(|n| 4000 + n * 10).collect();
    let slow: Vec<u64> = base.iter().map(|ms| ms * 2).collect();
    let comparison = compared(&story(&base), &story(&slow));
    let slower: Vec<&str> = comparison.timings.changed.iter().map(|change| change.what.as_str()).collect();
    assert_eq!(slower, ["pod start", "pod start: sandbox"]);
    assert!(comparison.timings.changed[0].is_slower());
    assert!("slower".parse::<FailOn>().unwrap().is_met(&comparison));

    let one = compared(&story(&base[..1]), &story(&slow[..1]));
    assert_eq!((one.timings.changed.len(), one.timings.too_few), (0, 3));
    let same = compared(&story(&base), &story(&base.iter().map(|ms| ms + 50).collect::<Vec<_>>()));
    assert_eq!(same.timings.changed, [], "a hundredth is no difference, however sure");
}

#[test]
fn runs_of_one_origin_are_equal_whatever_the_noise() {
    // A thousand pairs of runs whose times are drawn from one skewed distribution.
    let mut state = 0x9e37_79b9_u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let share = u64::from(u32::try_from(state >> 33).unwrap()) % 1000;
        400 + share * share / 400
    };
    let mut told = 0;
    for _ in 0..1000 {
        let mut times = || (0..10).map(|_| draw()).collect::<Vec<u64>>();
        let (before, after) = (times(), times());
        let story = |times: &[u64]| Story::on(&[("a", OLD)]).pods("a", OLD, times);
        told += usize::from(!compared(&story(&before), &story(&after)).timings.changed.is_empty());
    }
    assert!(told <= 10, "{told} of 1000 comparisons of equals told a difference; one in a hundred may");
}

#[test]
fn causes_are_the_same_where_they_lie_in_what_stands_for_it() {
    let cause = |subject: &str| Cause {
        layer: crate::explain::Layer::ServiceIp,
        subject: subject.into(),
        nodes: Vec::new(),
        summary: "dead".into(),
        answers: 1,
    };
    let mut base = Story::on(&[("a", OLD)]).snapshot();
    let mut candidate = Story::on(&[("b", NEW)]).snapshot();
    base.findings = vec![cause("a"), cause("win-webserver@10.0.20348.1"), cause("gone")];
    candidate.findings = vec![cause("b"), cause("win-webserver@10.0.20348.2"), cause("new")];
    let comparison = compare(&base, &candidate, &[]).unwrap();
    let subjects = |causes: &[Cause]| causes.iter().map(|cause| cause.subject.clone()).collect::<Vec<_>>();
    assert_eq!(subjects(&comparison.findings_new), ["new"]);
    assert_eq!(subjects(&comparison.findings_gone), ["gone"]);
}

/// A comparison in which something of everything happened.
fn eventful() -> Comparison {
    let base = Story::on(&[("win-0", OLD), ("win-1", OLD), ("win-9", "10.0.17763.1")])
        .pods("win-0", OLD, &[4000, 4010, 4020, 4030, 4040, 4050, 4060, 4070])
        .answers(&[
            ("iis/deploys@10.0.20348.1", passed()),
            ("nodes/ready@win-0/10.0.20348.1", passed()),
            ("nodes/ready@win-1/10.0.20348.1", passed()),
            ("gmsa/secure-channel@10.0.20348.1", failed("no logon servers")),
            ("reachability/service-name@10.0.20348.1", passed()),
        ]);
    let candidate = Story::on(&[("win-0", NEW), ("win-1", NEW)])
        .pods("win-0", NEW, &[9000, 9010, 9020, 9030, 9040, 9050, 9060, 9070])
        .answers(&[
            ("iis/deploys@10.0.20348.2", Verdict::Undetermined("a registry's | 401 <script> @team".into())),
            ("nodes/ready@win-0/10.0.20348.2", failed("not ready")),
            ("nodes/ready@win-1/10.0.20348.2", failed("not ready")),
            ("gmsa/secure-channel@10.0.20348.2", passed()),
            ("reachability/service-name@10.0.20348.2", passed()),
        ]);
    compared(&base, &candidate)
}

#[test]
fn the_text_of_a_comparison() {
    insta::assert_snapshot!(text::text(&eventful(), &text::Options::default()));
}

#[test]
fn the_markdown_of_a_comparison() {
    insta::assert_snapshot!(markdown::markdown(&eventful()));
}

#[test]
fn the_page_of_a_comparison_is_sound_and_harmless() {
    let page = page::to_html(&eventful());
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("regressed"));
    assert!(!page.contains("401 <script>"), "text from a cluster is escaped");
}

/// 5,000 nodes and 60 checks: what the benchmark measures, held here by its shape only.
#[test]
fn a_comparison_of_many_nodes_groups_what_is_alike() {
    let nodes: Vec<(String, String)> = (0..200).map(|n| (format!("win-{n:03}"), OLD.to_owned())).collect();
    let story = |verdict: &dyn Fn() -> Verdict| {
        let nodes: Vec<(&str, &str)> = nodes.iter().map(|(name, build)| (name.as_str(), build.as_str())).collect();
        let ids: Vec<String> = nodes.iter().map(|(name, build)| format!("nodes/ready@{name}/{build}")).collect();
        let answers: Vec<(&str, Verdict)> = ids.iter().map(|id| (id.as_str(), verdict())).collect();
        Story::on(&nodes).answers(&answers)
    };
    let comparison = compared(&story(&passed), &story(&|| failed("not ready")));
    assert_eq!(comparison.of_kind(ChangeKind::Regressed).count(), 200);
    let text = text::text(&comparison, &text::Options::default());
    assert!(text.contains("and 195 more") && text.lines().count() < 30, "{text}");
}

#[test]
fn the_json_of_a_comparison_keeps_to_its_published_schema() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/compare.schema.json");
    let text = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
    if std::env::var_os("WINCONFORM_UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let published = std::fs::read_to_string(path).unwrap_or_default();
    assert!(published == text, "docs/compare.schema.json is out of date; WINCONFORM_UPDATE_SCHEMA=1 writes it");
    let validator = jsonschema::validator_for(&serde_json::from_str(&published).unwrap()).unwrap();
    let json = eventful().to_json().unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&serde_json::from_str(&json).unwrap()).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(serde_json::from_str::<Comparison>(&json).unwrap(), eventful());
}

#[test]
fn what_to_fail_on_is_named_or_refused_with_the_names() {
    let fail_on: FailOn = "regressed, slower,finding-new".parse().unwrap();
    assert_eq!(fail_on.to_string(), "regressed,finding-new,slower");
    let refused = "regresed".parse::<FailOn>().unwrap_err().to_string();
    assert!(refused.contains("`regresed`") && refused.contains("newly-flaky"), "{refused}");
}
