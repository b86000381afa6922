//! One question about a cluster, as a value.
//!
//! Everything that lists, explains, plans or reports a check reads it from its
//! [`Check`]; nothing about a check is said twice.

use std::{fmt, time::Duration};

use futures::future::BoxFuture;
use winconform_manifests::{Kind, Manifest, Object};
use winconform_reports::{CheckId, Level, Verdict, id::CheckIdError};

use crate::{
    blame::Trouble,
    cluster::{Permission, may, sorted},
    context::Context,
    need::Need,
    probe,
    run::{CORDON_ASKS, LOG_ASKS},
};

/// What a check's `run` returns: a verdict, or why there is none. The harness's
/// blame table turns a [`Trouble`] into a verdict, so `?` is always honest.
pub type Answer = Result<Verdict, Trouble>;

/// One question about a cluster.
pub struct Check {
    /// Its name, `suite/check`; the file is `suites/src/suite/check.rs`.
    pub id: &'static str,
    /// One sentence that names an observable behaviour.
    pub title: &'static str,
    /// The guide's statement it belongs to, for example `R3`.
    pub statement: &'static str,
    /// What passing means, in a sentence.
    pub passing: &'static str,
    /// What passing does not say, in a sentence.
    pub silent_on: &'static str,
    /// How much hangs on it.
    pub level: Level,
    /// How often it is asked, and of what.
    pub scope: Scope,
    /// What must be there for the question to make sense.
    pub needs: &'static [Need],
    /// The fixtures it looks at, which start before it.
    pub uses: &'static [Use],
    /// The objects it makes for itself, which go when it is done.
    pub creates: &'static [Manifest],
    /// What it must have while it asks.
    pub claims: Claims,
    /// How long its own asking may take before `--timeout-scale`; fixtures have budgets of their own.
    pub budget: Duration,
    /// Whether it disturbs the cluster, so that it runs only with `--allow-disruptive`.
    pub disruptive: bool,
    /// What it asks of the API server beyond its objects; without leave for that it cannot be asked.
    pub asks: &'static [Permission],
    /// What it looks at where it may; where it may not, it says so and goes without.
    pub looks_at: &'static [Permission],
    /// What `winconform explain` says of it besides.
    pub explain: Explain,
    /// Asks.
    pub run: fn(Context) -> BoxFuture<'static, Answer>,
}

/// What a check must have while it asks; the runner packs the checks accordingly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claims {
    /// How many pods of its own stand on the nodes of its target at once.
    pub pods: u32,
    /// Its place's nodes for itself: it is asked when all others are done.
    pub exclusive: bool,
}

impl Claims {
    /// Nothing beyond its fixtures.
    pub const NONE: Self = Self { pods: 0, exclusive: false };

    /// So many pods of its own.
    #[must_use]
    pub const fn pods(pods: u32) -> Self {
        Self { pods, exclusive: false }
    }
}

/// What people need to know of a check beyond its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explain {
    /// Where the promise, or the incident that made us ask, is written down: URLs.
    pub sources: &'static [&'static str],
    /// How it fails, and what to do then.
    pub failures: &'static [Failure],
    /// Commands by which a person asks the same. Words in capitals are to be filled in.
    pub by_hand: &'static [&'static str],
}

/// A way in which a check fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// What is seen then.
    pub seen: &'static str,
    /// What to do.
    pub advice: &'static str,
}

/// How often a check is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Once.
    Cluster,
    /// Once for each target, pinned to its nodes.
    Target,
    /// Once for each Windows node.
    WindowsNode,
    /// Once for each node, whatever its operating system.
    EveryNode,
}

/// Objects that several checks share and only read.
#[derive(Debug, PartialEq, Eq)]
pub struct Fixture {
    /// Its name, which is also the stem of its manifest.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub summary: &'static str,
    /// Its objects.
    pub manifest: Manifest,
    /// How often it is created.
    pub spread: Spread,
    /// Whether what its pods print is followed, because checks recognise requests in it.
    pub follow_logs: bool,
    /// Whether its pods use the host's network or processes, so that it lives in
    /// the namespace that Pod Security allows that in.
    pub host: bool,
}

/// How often a fixture is created, and where its pods go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Once for each target, on any of its nodes.
    Target,
    /// Once on each Windows node.
    WindowsNode,
    /// Once, on one Linux node.
    OneLinuxNode,
}

/// That a check looks at a fixture.
#[derive(Debug, Clone, Copy)]
pub struct Use {
    /// Which one.
    pub fixture: &'static Fixture,
    /// Of which places.
    pub extent: Extent,
    /// How far it must have come.
    pub stage: Stage,
}

/// Of which places a check looks at a fixture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Only where the check itself is asked (all of them for a cluster-wide check).
    Here,
    /// Everywhere; elsewhere than here, those that did not come up are left out.
    Everywhere,
}

/// How far a fixture must have come before a check that uses it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Its objects were accepted or refused; the check asks about just that.
    Submitted,
    /// It is ready, or it is known that it will not be; the check asks about just that.
    Settled,
    /// It is ready; otherwise the check cannot be asked.
    Ready,
}

impl Use {
    /// The fixture of the check's own place, ready.
    #[must_use]
    pub const fn ready(fixture: &'static Fixture) -> Self {
        Self { fixture, extent: Extent::Here, stage: Stage::Ready }
    }

    /// The fixture of the check's own place, whatever came of it.
    #[must_use]
    pub const fn settled(fixture: &'static Fixture) -> Self {
        Self { fixture, extent: Extent::Here, stage: Stage::Settled }
    }

    /// The fixture of the check's own place, as soon as its objects were sent.
    #[must_use]
    pub const fn submitted(fixture: &'static Fixture) -> Self {
        Self { fixture, extent: Extent::Here, stage: Stage::Submitted }
    }

    /// The fixture of every place; the check's own must be ready.
    #[must_use]
    pub const fn everywhere(fixture: &'static Fixture) -> Self {
        Self { fixture, extent: Extent::Everywhere, stage: Stage::Ready }
    }
}

impl Check {
    /// The parsed id.
    ///
    /// # Errors
    ///
    /// When the id is not of the form `suite/check`; a test of the registry shows that none is.
    pub fn parsed_id(&self) -> Result<CheckId, CheckIdError> {
        self.id.parse()
    }

    /// What it needs to be allowed to do beyond what every run needs: the verbs on its
    /// fixtures and on its own objects, speaking with the pods among them, and what it asks besides.
    #[must_use]
    pub fn permissions(&self) -> Vec<Permission> {
        let fixtures = self.uses.iter().map(|needed| &needed.fixture.manifest);
        let shared = fixtures.flat_map(objects_of).map(|object| (object, false));
        let own = self.creates.iter().flat_map(objects_of).map(|object| (object, true));
        let mut needed = self.asks.to_vec();
        for (object, is_own) in shared.chain(own) {
            needed.extend(permissions_on(&object, is_own));
            if object.pod_spec().is_some() {
                needed.extend_from_slice(probe::EXEC_ASKS);
                needed.extend_from_slice(LOG_ASKS);
            }
        }
        if self.disruptive {
            needed.extend_from_slice(CORDON_ASKS);
        }
        sorted(needed)
    }
}

fn objects_of(manifest: &Manifest) -> Vec<Object> {
    // A manifest that cannot be read is found by the manifests' own tests.
    manifest.objects().unwrap_or_default()
}

/// What making and removing an object asks for; a check changes what is its own.
fn permissions_on(object: &Object, is_own: bool) -> Vec<Permission> {
    let (group, resource) = object.resource();
    let mut verbs = vec![may("create", group, resource), may("delete", group, resource)];
    if object.is_cluster_scoped() {
        verbs.push(may("list", group, resource)); // found by label when a run has died
    }
    if is_own && matches!(object.kind, Kind::Deployment(_)) {
        verbs.push(may("patch", group, "deployments/scale"));
    }
    verbs
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("id", &self.id).finish_non_exhaustive()
    }
}
