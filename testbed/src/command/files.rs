//! The files a process can see.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use futures::future::{BoxFuture, FutureExt};

/// The file system of a container: a few mounted files, and what was written.
pub(crate) trait Files: Send + Sync {
    /// The bytes of a file; `None` when there is none.
    fn read<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Option<Vec<u8>>>;

    /// Writes a file, or appends to it.
    fn write(&self, path: &str, bytes: &[u8], append: bool);

    /// The names directly below a folder; `None` when it holds nothing.
    fn list<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Option<Vec<String>>>;
}

/// One spelling of a path: `/`-separated, without a drive, lower case where the system ignores case.
pub(crate) fn normal(path: &str, windows: bool) -> String {
    let mut path = path.trim_matches('"').to_owned();
    if windows {
        path = path.replace('\\', "/").to_ascii_lowercase();
        if path.as_bytes().get(1) == Some(&b':') {
            path = path.chars().skip(2).collect();
        }
    }
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("/{}", parts.join("/"))
}

/// Files that were written while a container ran.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    windows: bool,
    written: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Scratch {
    /// No files yet.
    pub(crate) fn new(windows: bool) -> Self {
        Self { windows, written: Mutex::default() }
    }

    /// What was written to `path`.
    pub(crate) fn get(&self, path: &str) -> Option<Vec<u8>> {
        self.lock().get(&normal(path, self.windows)).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names directly below `folder`.
    pub(crate) fn below(&self, folder: &str) -> Vec<String> {
        let mut folder = normal(folder, self.windows);
        if !folder.ends_with('/') {
            folder.push('/');
        }
        self.lock()
            .keys()
            .filter_map(|path| path.strip_prefix(&folder).filter(|name| !name.contains('/')).map(ToOwned::to_owned))
            .collect()
    }

    /// Writes or appends.
    pub(crate) fn put(&self, path: &str, bytes: &[u8], append: bool) {
        let mut written = self.lock();
        let file = written.entry(normal(path, self.windows)).or_default();
        if !append {
            file.clear();
        }
        file.extend_from_slice(bytes);
    }
}

impl Files for Scratch {
    fn read<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Option<Vec<u8>>> {
        std::future::ready(self.get(path)).boxed()
    }

    fn write(&self, path: &str, bytes: &[u8], append: bool) {
        self.put(path, bytes, append);
    }

    fn list<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Option<Vec<String>>> {
        std::future::ready(Some(self.below(folder)).filter(|names| !names.is_empty())).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_paths_are_one_file_in_every_spelling() {
        let files = Scratch::new(true);
        files.put(r"C:\Temp\A.txt", b"x", false);
        files.put("/temp/a.txt", b"y", true);
        assert_eq!(files.get(r"c:\temp\.\a.TXT").unwrap(), b"xy");
        assert_eq!(files.below(r"C:\temp"), ["a.txt"]);
    }

    #[test]
    fn linux_paths_keep_their_case() {
        let files = Scratch::new(false);
        files.put("/tmp/A", b"x", false);
        assert_eq!(files.get("/tmp/a"), None);
    }
}
