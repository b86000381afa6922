//! The programs of a control plane in a directory.

use std::path::{Path, PathBuf};

/// A program of the control plane, or the client people use with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The store.
    Etcd,
    /// The API server.
    ApiServer,
    /// The controllers.
    ControllerManager,
    /// The scheduler.
    Scheduler,
    /// The client.
    Kubectl,
}

impl Part {
    /// The programs without which there is no control plane.
    pub const NEEDED: [Self; 4] = [Self::Etcd, Self::ApiServer, Self::ControllerManager, Self::Scheduler];

    /// The program's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kubectl => "kubectl",
        }
    }
}

/// The one file that can be every part, by its first argument.
pub(super) const MULTI_CALL: &str = "control-plane";

/// Where the programs of a control plane are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    directory: PathBuf,
    multi_call: bool,
}

impl Parts {
    /// The control plane in `directory`: our one file, or a file for each part.
    ///
    /// # Errors
    ///
    /// Which parts are missing.
    pub fn find(directory: &Path) -> Result<Self, Vec<&'static str>> {
        // Parts are started elsewhere, so a relative path would not do.
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        if directory.join(MULTI_CALL).is_file() {
            return Ok(Self { directory, multi_call: true });
        }
        let missing: Vec<_> =
            Part::NEEDED.iter().map(|part| part.name()).filter(|name| !directory.join(name).is_file()).collect();
        if missing.is_empty() { Ok(Self { directory, multi_call: false }) } else { Err(missing) }
    }

    /// The one file that can be every part, where it is that.
    pub(crate) fn one_program(&self) -> Option<PathBuf> {
        self.multi_call.then(|| self.directory.join(MULTI_CALL))
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file to start for `part`, and its first arguments.
    ///
    /// kubectl is the one in the `PATH` if the directory has none.
    #[must_use]
    pub fn command(&self, part: Part) -> (PathBuf, Vec<String>) {
        if self.multi_call {
            return (self.directory.join(MULTI_CALL), vec![part.name().into()]);
        }
        let file = self.directory.join(part.name());
        let file = if part == Part::Kubectl && !file.is_file() { part.name().into() } else { file };
        (file, Vec::new())
    }
}
