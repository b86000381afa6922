//! Who is to blame when a check has no answer: the one table of borderline cases.
//!
//! A check's `run` says `Failed` itself where it saw the cluster break a promise.
//! Everything else that stops it is a [`Trouble`], and [`Trouble::verdict`] is the
//! table that decides. When in doubt it is us: *undetermined*.

use std::time::Duration;

use thiserror::Error;
use winconform_reports::{Chain, Verdict, event::Observation};

use crate::{
    cluster::ApiError,
    probe::{ExecError, LogError},
    wait::WaitError,
};

/// Why a check has no answer of its own.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Trouble {
    /// The API server refused or lost a request.
    #[error("could not {action}")]
    Api {
        /// What we were about to do, for example `create pod windows-client`.
        action: String,
        /// What happened.
        #[source]
        error: Box<ApiError>,
    },
    /// Something that was waited for did not come.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// A command could not be run, or its outcome was lost.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// A log could not be read, or was cut.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A fixture that the check needs did not come up; the check about that fixture says why.
    #[error("`{fixture}` did not come up: {reason}")]
    Fixture {
        /// The fixture and its place.
        fixture: String,
        /// Why.
        reason: String,
    },
    /// The cluster's policy does not allow pods that use a host's network or processes.
    #[error("the cluster does not allow `{fixture}`, so the host cannot be asked: {message}")]
    HostRefused {
        /// The fixture and its place.
        fixture: String,
        /// What the API server said.
        message: String,
    },
    /// What the cluster holds contradicts what the check was planned for.
    #[error("{0}")]
    Unexpected(String),
    /// The check took longer than its budget.
    #[error("no answer within the check's budget of {}", seconds(*.0))]
    Budget(Duration),
    /// The check panicked: a defect of winconform.
    #[error("the check panicked, which is a defect of winconform: {0}")]
    Panic(String),
    /// The run was stopped.
    #[error("aborted: {0}")]
    Aborted(String),
}

impl Trouble {
    /// A request that the API server refused or lost.
    #[must_use]
    pub fn api(action: impl Into<String>, error: kube::Error) -> Self {
        Self::Api { action: action.into(), error: Box::new(error.into()) }
    }

    /// What a fixture that did not come up means for a check that needs it.
    #[must_use]
    pub fn of_fixture(fixture: String, host: bool, trouble: &Self) -> Self {
        match trouble {
            Self::Api { error, .. } if host => match error.status() {
                Some(status) if status.code == 403 => Self::HostRefused { fixture, message: status.message.clone() },
                _ => Self::Fixture { fixture, reason: Chain(trouble).to_string() },
            },
            _ => Self::Fixture { fixture, reason: Chain(trouble).to_string() },
        }
    }

    /// The table.
    ///
    /// | what happened | verdict | why |
    /// |---|---|---|
    /// | the API server refused, or was lost | undetermined | permissions, quotas and policies are the environment's |
    /// | a webhook of the cluster's could not be called, and fails closed | failed | nobody can make such an object while it is down |
    /// | a wait ended on a cause that cannot heal | as [`Cause::blames_cluster`](crate::wait::Cause::blames_cluster) says | an image refused for its platform is the cluster's, a registry's 401 is not |
    /// | a wait ran out of its budget | failed, but undetermined while pulling or where the API was lost | the cluster had the time the guide gives it |
    /// | an exec or a log was lost or refused | undetermined | only `nodes/answers`, with a control elsewhere, may blame the node |
    /// | the cluster's policy refuses host pods | not applicable | the operator decided so |
    /// | a needed fixture is missing | undetermined | the check about the fixture fails instead |
    /// | panic, budget, abort | undetermined | ours |
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let text = Chain(self).to_string();
        match self {
            Self::Wait(error) if error.blames_cluster() => Verdict::Failed(text),
            Self::HostRefused { .. } => Verdict::NotApplicable(text),
            Self::Api { error, .. } if error.status().is_some_and(|status| is_webhook_down(&status.message)) => {
                Verdict::Failed(text)
            }
            Self::Wait(_)
            | Self::Api { .. }
            | Self::Exec(_)
            | Self::Log(_)
            | Self::Fixture { .. }
            | Self::Unexpected(_)
            | Self::Budget(_)
            | Self::Panic(_)
            | Self::Aborted(_) => Verdict::Undetermined(text),
        }
    }

    /// The machine-readable facts in it.
    #[must_use]
    pub fn observations(&self) -> Vec<Observation> {
        match self {
            Self::Wait(error) => error.observations(),
            Self::Exec(error) => vec![error.observation(false)],
            Self::Api { action, error } => match error.status() {
                Some(status) => vec![Observation::Refused {
                    request: action.clone(),
                    code: status.code,
                    reason: status.reason.clone(),
                    message: status.message.clone(),
                }],
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }
}

/// Whether the API server could not call a webhook, in its own words; one that answers and says no is a policy.
#[must_use]
pub(crate) fn is_webhook_down(message: &str) -> bool {
    message.contains("failed calling webhook")
}

/// Seconds for people: `12.5 s`, `3 min 20 s`.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    let all = duration.as_secs_f64();
    if all < 60.0 {
        format!("{all:.1} s")
    } else {
        let whole = duration.as_secs();
        match (whole / 60, whole % 60) {
            (minutes, 0) => format!("{minutes} min"),
            (minutes, rest) => format!("{minutes} min {rest} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{budgets::Budget, wait::Cause};

    fn container(reason: &str, message: &str) -> Cause {
        Cause::container("ns/pod", Some("win-0"), "image", reason, message)
            .unwrap_or_else(|| panic!("{reason} must end a wait"))
    }

    fn verdict_of(cause: Cause) -> Verdict {
        Trouble::Wait(WaitError::hopeless("pod ns/pod", Budget::Ready, cause)).verdict()
    }

    #[test]
    fn an_image_refused_for_its_platform_is_the_clusters_failure() {
        let cause = container("ErrImagePull", "failed to unpack: no match for platform in manifest: not found");
        assert!(matches!(verdict_of(cause), Verdict::Failed(_)));
    }

    #[test]
    fn a_webhook_that_cannot_be_called_is_the_clusters_failure_and_one_that_says_no_is_a_policy() {
        let of = |code, message: &str| {
            let status = kube::core::Status { code, message: message.into(), ..kube::core::Status::default() };
            Trouble::api("create pod p", kube::Error::Api(Box::new(status))).verdict()
        };
        let down = "Internal error occurred: failed calling webhook \"a.b.c\": failed to call webhook: refused";
        assert!(matches!(of(500, down), Verdict::Failed(_)));
        assert!(matches!(of(400, "admission webhook \"a.b.c\" denied the request: no"), Verdict::Undetermined(_)));
        let event = |message: &str| Cause::NotCreated {
            object: "pods of replicaset/a".into(),
            code: 0,
            reason: "FailedCreate".into(),
            message: message.into(),
        };
        assert!(matches!(verdict_of(event(down)), Verdict::Failed(_)));
        assert!(matches!(verdict_of(event("exceeded quota")), Verdict::Undetermined(_)));
    }

    #[test]
    fn what_a_registry_refuses_is_undetermined() {
        for message in [
            "failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized",
            "docker.io/library/nope:1: not found",
            "dial tcp: lookup mcr.microsoft.com: no such host",
            "dial tcp 20.1.2.3:443: i/o timeout",
        ] {
            assert!(matches!(verdict_of(container("ErrImagePull", message)), Verdict::Undetermined(_)), "{message}");
        }
    }

    #[test]
    fn a_full_disk_is_the_clusters_failure() {
        let cause = container("ErrImagePull", "failed to extract layer: There is not enough space on the disk.");
        assert!(matches!(verdict_of(cause), Verdict::Failed(_)));
    }

    #[test]
    fn a_budget_spent_on_pulling_is_undetermined_and_any_other_is_a_failure() {
        let spent = |budget| {
            Trouble::Wait(WaitError::TimedOut {
                what: "pod ns/pod".into(),
                budget,
                waited: Duration::from_secs(9),
                last_seen: "waiting".into(),
                stuck: Vec::new(),
            })
            .verdict()
        };
        assert!(matches!(spent(Budget::Pull), Verdict::Undetermined(_)));
        assert!(matches!(spent(Budget::Sandbox), Verdict::Failed(_)));
        assert!(matches!(spent(Budget::Api), Verdict::Undetermined(_)));
    }

    #[test]
    fn a_lost_exec_a_panic_and_a_missing_fixture_are_undetermined() {
        let lost = ExecError::Lost { node: "win-0".into(), pod: "p".into(), detail: "no status".into() };
        let troubles = [
            Trouble::Exec(lost),
            Trouble::Panic("index out of bounds".into()),
            Trouble::Fixture { fixture: "win-webserver".into(), reason: "no image".into() },
            Trouble::Budget(Duration::from_secs(3)),
        ];
        for trouble in troubles {
            assert!(matches!(trouble.verdict(), Verdict::Undetermined(_)), "{trouble}");
        }
    }

    #[test]
    fn durations_read_as_people_say_them() {
        assert_eq!(seconds(Duration::from_millis(12_480)), "12.5 s");
        assert_eq!(seconds(Duration::from_secs(200)), "3 min 20 s");
        assert_eq!(seconds(Duration::from_secs(1500)), "25 min");
    }
}
