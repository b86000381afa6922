//! Which file of a testbed lies where.

use std::{
    io,
    path::{Path, PathBuf},
};

/// The longest path of a Unix socket that every system takes (macOS: 104 bytes with the end).
const LONGEST_SOCKET: usize = 103;

/// The directory of one testbed, and the places in it.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The places under `root`.
    ///
    /// # Errors
    ///
    /// When the path is so long that sockets could not be opened under it.
    pub(crate) fn new(root: &Path) -> Result<Self, PathBuf> {
        let layout = Self { root: root.to_owned() };
        let longest = layout.etcd_peer_socket();
        if longest.as_os_str().len() > LONGEST_SOCKET { Err(longest) } else { Ok(layout) }
    }

    /// The directory itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the directories.
    pub(crate) async fn create(&self) -> io::Result<()> {
        for directory in ["pki", "logs"] {
            tokio::fs::create_dir_all(self.root.join(directory)).await?;
        }
        Ok(())
    }

    pub(crate) fn pki(&self, name: &str) -> PathBuf {
        self.root.join("pki").join(name)
    }

    /// A kubeconfig: `admin`, `controller-manager`, `scheduler`.
    pub(crate) fn kubeconfig(&self, user: &str) -> PathBuf {
        self.root.join(format!("{user}.kubeconfig"))
    }

    pub(crate) fn log(&self, part: &str) -> PathBuf {
        self.root.join("logs").join(format!("{part}.log"))
    }

    pub(crate) fn etcd_data(&self) -> PathBuf {
        self.root.join("etcd")
    }

    pub(crate) fn etcd_socket(&self) -> PathBuf {
        self.root.join("etcd.sock")
    }

    pub(crate) fn etcd_peer_socket(&self) -> PathBuf {
        self.root.join("etcd-peer.sock")
    }

    pub(crate) fn egress_configuration(&self) -> PathBuf {
        self.root.join("egress.yaml")
    }

    pub(crate) fn egress_socket(&self) -> PathBuf {
        self.root.join("egress.sock")
    }

    pub(crate) fn control_socket(&self) -> PathBuf {
        self.root.join("control.sock")
    }

    /// The files that the control plane's parts read.
    pub(crate) async fn files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for directory in [self.root.clone(), self.root.join("pki")] {
            let mut entries = tokio::fs::read_dir(directory).await?;
            while let Some(entry) = entries.next_entry().await? {
                let file = entry.path();
                let read = ["kubeconfig", "yaml", "crt", "key", "pub"];
                if file.extension().and_then(|extension| extension.to_str()).is_some_and(|own| read.contains(&own)) {
                    files.push(file);
                }
            }
        }
        Ok(files)
    }

    /// Writes a file that only its owner can read.
    pub(crate) async fn write(path: &Path, text: impl AsRef<[u8]>) -> io::Result<()> {
        use tokio::io::AsyncWriteExt as _;
        let mut file =
            tokio::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(path).await?;
        file.write_all(text.as_ref()).await?;
        file.flush().await
    }
}
