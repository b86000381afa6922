//! A credential spec, as the webhook writes it into a pod and the runtime gives it to a container.

use serde::Deserialize;
use thiserror::Error;

/// What makes a container a member of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CredentialSpec {
    /// The domain's name in DNS.
    pub(crate) domain: String,
    /// Its short name.
    pub(crate) short_domain: String,
    /// The group managed service account, without `$`.
    pub(crate) account: String,
}

/// The text is no credential spec, so Windows starts no container with it.
#[derive(Debug, Error)]
pub(crate) enum SpecError {
    /// It is not the JSON that Windows reads.
    #[error("the credential spec is not valid")]
    Json(#[from] serde_json::Error),
    /// It is for something else than Active Directory.
    #[error("the credential spec names no Active Directory account")]
    NoAccount,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Text {
    #[serde(default)]
    cms_plugins: Vec<String>,
    domain_join_config: DomainJoin,
    active_directory_config: ActiveDirectory,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DomainJoin {
    dns_name: String,
    net_bios_name: String,
    machine_account_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ActiveDirectory {
    #[serde(default)]
    group_managed_service_accounts: Vec<Account>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    name: String,
}

impl CredentialSpec {
    /// Reads one as the Container Credential Guard does.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub(crate) fn parse(json: &str) -> Result<Self, SpecError> {
        let text: Text = serde_json::from_str(json)?;
        let accounts = &text.active_directory_config.group_managed_service_accounts;
        let account = accounts.first().map(|account| account.name.trim_end_matches('$'));
        let plugin = text.cms_plugins.iter().any(|plugin| plugin.eq_ignore_ascii_case("ActiveDirectory"));
        let account = account.filter(|name| plugin && !name.is_empty()).ok_or(SpecError::NoAccount)?;
        let DomainJoin { dns_name, net_bios_name, machine_account_name } = text.domain_join_config;
        if machine_account_name.is_empty() || dns_name.is_empty() {
            return Err(SpecError::NoAccount);
        }
        Ok(Self { domain: dns_name, short_domain: net_bios_name, account: account.to_owned() })
    }

    /// Whether `name` is the domain, by either of its names.
    pub(crate) fn is_domain(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.');
        name.eq_ignore_ascii_case(&self.domain) || name.eq_ignore_ascii_case(&self.short_domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEBAPP01: &str = r#"{
        "CmsPlugins": ["ActiveDirectory"],
        "DomainJoinConfig": {"Sid": "S-1-5-21-1-2-3", "MachineAccountName": "webapp01", "Guid": "", "DnsTreeName":
            "corp.example", "DnsName": "corp.example", "NetBiosName": "CORP"},
        "ActiveDirectoryConfig": {"GroupManagedServiceAccounts": [
            {"Name": "webapp01", "Scope": "corp.example"}, {"Name": "webapp01", "Scope": "CORP"}]}
    }"#;

    #[test]
    fn a_spec_names_its_domain_and_its_account() {
        let spec = CredentialSpec::parse(WEBAPP01).unwrap();
        assert_eq!((spec.domain.as_str(), spec.account.as_str()), ("corp.example", "webapp01"));
        assert!(spec.is_domain("CORP.example.") && spec.is_domain("corp") && !spec.is_domain("other.example"));
    }

    #[test]
    fn what_names_no_account_is_no_spec() {
        for text in ["", "{}", "[]", "not json", &WEBAPP01.replace("ActiveDirectory\"]", "Other\"]")] {
            assert!(CredentialSpec::parse(text).is_err(), "{text}");
        }
    }
}
