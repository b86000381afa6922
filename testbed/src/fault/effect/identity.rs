//! What can go wrong with whom a container is: its Windows user, and its account in the domain.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::{pattern::Patterns, select::PodSelector, when::When};

/// Changes whom the containers it selects are, to Windows or to the domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdentityEffect {
    /// In which pods; all when left out. `gmsa` selects by credential spec.
    #[serde(default)]
    pub pods: PodSelector,
    /// Which group managed service accounts, by their names in the domain, without `$`; all when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Patterns>,
    /// Which Windows users, as containers would run, without their domain (`ContainerUser`); all when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Patterns>,
    /// When and how often.
    #[serde(default, skip_serializing_if = "When::is_always")]
    pub when: When,
    /// What is wrong.
    pub outcome: Identity,
    /// With `userIgnored`: whom they run as instead; their image's user when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// With `trustLost`: what Netlogon says of it; 1786 (`ERROR_NO_TRUST_LSA_SECRET`) when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<TrustStatus>,
}

/// What can be wrong with an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Identity {
    /// The runtime starts the container without its credential spec.
    CredentialSpecIgnored,
    /// The host may not read the account's password, so the container cannot log on.
    PasswordUnreadable,
    /// The container finds no domain controller.
    NoLogonServers,
    /// The domain refuses the container's secure channel; Kerberos goes on.
    TrustLost,
    /// File servers refuse the account.
    ShareDenied,
    /// The runtime starts the container as another user than its pod names.
    UserIgnored,
    /// The host cannot log the user on: 0x52e, in the sandbox where the pod names it.
    UserUnknown,
}

impl Identity {
    /// Whether it is about the account in the domain, and not about the Windows user.
    #[must_use]
    pub fn is_of_domain(self) -> bool {
        !matches!(self, Self::UserIgnored | Self::UserUnknown)
    }
}

/// What Netlogon says of a secure channel that the domain refuses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u32", into = "u32")]
#[schemars(with = "u32")]
pub enum TrustStatus {
    /// 5: the machine's password is not the one that the domain knows.
    AccessDenied,
    /// 1786: the container holds no secret for the channel.
    #[default]
    NoTrustLsaSecret,
    /// 1787: the domain has no account for the channel.
    NoTrustSamAccount,
}

impl TrustStatus {
    /// The Win32 code.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::AccessDenied => 5,
            Self::NoTrustLsaSecret => 1786,
            Self::NoTrustSamAccount => 1787,
        }
    }
}

impl From<TrustStatus> for u32 {
    fn from(status: TrustStatus) -> Self {
        status.code()
    }
}

impl TryFrom<u32> for TrustStatus {
    type Error = String;

    fn try_from(code: u32) -> Result<Self, String> {
        [Self::AccessDenied, Self::NoTrustLsaSecret, Self::NoTrustSamAccount]
            .into_iter()
            .find(|status| status.code() == code)
            .ok_or_else(|| format!("{code} is not 5, 1786 or 1787"))
    }
}
