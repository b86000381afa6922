//! Files on the domain's file server, by their UNC paths.

use std::{net::SocketAddrV4, time::Duration};

use thiserror::Error;

use super::{FILE_SERVER, LogonError, Member, SHARE, SMB};
use crate::fault::Identity;

/// How long the file server is tried, in real time.
const PATIENCE: Duration = Duration::from_secs(20);

/// A path on another machine: `\\server\share\folder\file`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unc {
    server: String,
    share: String,
    /// Below the share, in lower case; empty for the share itself.
    path: String,
}

/// A remote file cannot be had, in Windows' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum FileError {
    /// 2
    #[error("The system cannot find the file specified.")]
    NotFound,
    /// 5
    #[error("Access is denied.")]
    Denied,
    /// 53
    #[error("The network path was not found.")]
    NoServer,
    /// 67
    #[error("The network name cannot be found.")]
    NoShare,
    /// 1311
    #[error("There are currently no logon servers available to service the logon request.")]
    NoLogonServers,
    /// 1312
    #[error("A specified logon session does not exist. It may already have been terminated.")]
    NoSession,
    /// 1326
    #[error("The user name or password is incorrect.")]
    NotLoggedOn,
}

impl FileError {
    /// The Win32 code.
    pub(crate) fn code(self) -> u32 {
        match self {
            Self::NotFound => 2,
            Self::Denied => 5,
            Self::NoServer => 53,
            Self::NoShare => 67,
            Self::NoLogonServers => 1311,
            Self::NoSession => 1312,
            Self::NotLoggedOn => 1326,
        }
    }
}

impl Unc {
    /// The path, where `text` is one: it begins with two backslashes (or slashes, which Windows takes for them).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_matches('"').replace('/', "\\");
        let mut parts = text.strip_prefix(r"\\")?.split('\\');
        let server = parts.next().filter(|server| !server.is_empty() && !matches!(*server, "." | "?"))?;
        let share = parts.next().unwrap_or_default();
        let path: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        Some(Self {
            server: server.to_ascii_lowercase(),
            share: share.to_ascii_lowercase(),
            path: path.join(r"\").to_ascii_lowercase(),
        })
    }
}

impl Member {
    /// Connects to the share that holds `unc`.
    ///
    /// # Errors
    ///
    /// What Windows says when that does not go.
    pub(crate) async fn mount(&self, unc: &Unc) -> Result<(), FileError> {
        let addresses = self.link().resolve(&unc.server).await.map_err(|_unknown| FileError::NoServer)?;
        let address = addresses.first().ok_or(FileError::NoServer)?;
        let to = SocketAddrV4::new(*address, SMB);
        self.link().connect(to, PATIENCE).await.map_err(|_unreachable| FileError::NoServer)?;
        let known = self.directory().is_some() && unc.server == FILE_SERVER;
        if !known {
            return Err(FileError::Denied); // another server of the world, which knows nobody of us
        }
        self.ticket(&format!("cifs/{}", unc.server)).await.map_err(|error| match error {
            LogonError::NoCredentialSpec => FileError::NotLoggedOn,
            LogonError::PasswordUnreadable => FileError::NoSession,
            _ => FileError::NoLogonServers,
        })?;
        if unc.share != SHARE {
            return Err(FileError::NoShare);
        }
        match self.suffers(&[Identity::ShareDenied]) {
            Some(_) => Err(FileError::Denied),
            None => Ok(()),
        }
    }

    /// Reads a remote file.
    ///
    /// # Errors
    ///
    /// What Windows says when it cannot be had.
    pub(crate) async fn read_remote(&self, unc: &Unc) -> Result<Vec<u8>, FileError> {
        self.mount(unc).await?;
        let directory = self.directory().ok_or(FileError::NoServer)?;
        let found = directory.files().get(&unc.path).cloned();
        found.ok_or(FileError::NotFound)
    }

    /// Writes a remote file, or appends to it.
    ///
    /// # Errors
    ///
    /// What Windows says when it cannot be written.
    pub(crate) async fn write_remote(&self, unc: &Unc, bytes: &[u8], append: bool) -> Result<(), FileError> {
        self.mount(unc).await?;
        if unc.path.is_empty() {
            return Err(FileError::Denied);
        }
        let directory = self.directory().ok_or(FileError::NoServer)?;
        let mut files = directory.files();
        let file = files.entry(unc.path.clone()).or_default();
        if !append {
            file.clear();
        }
        file.extend_from_slice(bytes);
        Ok(())
    }

    /// Removes a remote file.
    ///
    /// # Errors
    ///
    /// What Windows says when it cannot be removed.
    pub(crate) async fn remove_remote(&self, unc: &Unc) -> Result<(), FileError> {
        self.mount(unc).await?;
        let directory = self.directory().ok_or(FileError::NoServer)?;
        let removed = directory.files().remove(&unc.path);
        removed.map(drop).ok_or(FileError::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_other_machines_are_unc_paths() {
        let unc = Unc::parse(r#""\\Files.corp.example\Conformance\a\B.txt""#).unwrap();
        assert_eq!(
            (unc.server.as_str(), unc.share.as_str(), unc.path.as_str()),
            ("files.corp.example", "conformance", r"a\b.txt")
        );
        for path in [r"C:\temp\a.txt", r"\temp\a.txt", r"\\.\pipe\x", r"\\?\C:\x", "a.txt", r"\\"] {
            assert_eq!(Unc::parse(path), None, "{path}");
        }
    }
}
