//! Files that are there whole or not at all.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    hash::{DefaultHasher, Hasher},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process,
};

use super::{WriteError, folder_of};

/// Finds out before a run whether a report can be written after it.
///
/// Leaves nothing behind and changes nothing: folders that are missing are not
/// made, a file that is there keeps its content.
///
/// # Errors
///
/// When the path is a folder, when a part of it is a file, or when nothing can be
/// written there.
pub fn check_writable(path: &Path) -> Result<(), WriteError> {
    let not_writable = |error| WriteError::NotWritable { path: path.to_owned(), error };
    if path.is_dir() || path.as_os_str().to_string_lossy().ends_with(std::path::MAIN_SEPARATOR) {
        return Err(WriteError::IsFolder { path: path.to_owned() });
    }
    if is_special(path) {
        return OpenOptions::new().write(true).open(path).map(drop).map_err(not_writable);
    }
    // The nearest part of the path that exists; below it folders would be made.
    let folder = folder_of(path);
    let existing = folder.ancestors().find(|part| fs::symlink_metadata(part).is_ok()).unwrap_or(Path::new("."));
    if !existing.is_dir() {
        return Err(WriteError::NoFolder { path: path.to_owned(), parent: existing.to_owned() });
    }
    // Permissions say little (root, read-only mounts, quotas): only writing tells.
    let trial = beside(&existing.join("report"));
    let tried = create(&trial).and_then(|mut file| file.write_all(b"?"));
    match fs::remove_file(&trial) {
        Ok(()) => tried.map_err(not_writable),
        Err(_) if tried.is_err() => tried.map_err(not_writable),
        Err(error) => Err(not_writable(error)),
    }
}

/// Writes beside the path, then renames: a reader finds the old file or the new one.
/// Gives the digest of what was written.
pub(super) fn write(path: &Path, render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<Digest> {
    fs::create_dir_all(folder_of(path))?;
    let partial = beside(path);
    let written = create(&partial).and_then(|file| {
        let mut out = BufWriter::new(Digesting { inner: file, hasher: DefaultHasher::new(), length: 0 });
        render(&mut out)?;
        let out = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        out.inner.sync_all()?;
        fs::rename(&partial, path)?;
        Ok(out.digest())
    });
    if written.is_err() {
        // The first error is the one to tell; what cannot be removed was not made.
        drop(fs::remove_file(&partial));
    }
    written
}

/// Writes to something that is no regular file: a terminal, a pipe.
pub(super) fn write_as_it_is(path: &Path, render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(OpenOptions::new().write(true).open(path)?);
    render(&mut out)?;
    out.flush()
}

/// Length and hash of a file: enough to notice a disk that lost something.
pub(super) type Digest = (u64, u64);

/// The digest of a file as it is.
pub(super) fn digest_of(path: &Path) -> io::Result<Digest> {
    let mut digesting = Digesting { inner: io::sink(), hasher: DefaultHasher::new(), length: 0 };
    io::copy(&mut File::open(path)?, &mut digesting)?;
    Ok(digesting.digest())
}

/// Hands on what it is given, and remembers what that was.
struct Digesting<W> {
    inner: W,
    hasher: DefaultHasher,
    length: u64,
}

impl<W> Digesting<W> {
    fn digest(&self) -> Digest {
        (self.length, self.hasher.finish())
    }
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.write(bytes.get(..count).unwrap_or_default());
        self.length += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Whether something other than a regular file is there: a terminal, a pipe.
pub(super) fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// A name in the same folder that nobody else uses.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.partial", process::id()));
    path.with_file_name(name)
}

/// Creates a file, over what a run of the same process id once left.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_can_be_written_is_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("there.xml");
        fs::write(&there, "before").unwrap();
        check_writable(&there).unwrap();
        check_writable(&folder.path().join("not/yet/made.xml")).unwrap();
        assert_eq!(fs::read_to_string(&there).unwrap(), "before");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_path_that_cannot_be_written_is_found_before_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(check_writable(folder.path()), Err(WriteError::IsFolder { .. })));
        assert!(matches!(check_writable(&folder.path().join("new/")), Err(WriteError::IsFolder { .. })));
        assert!(matches!(check_writable(&file.join("report.xml")), Err(WriteError::NoFolder { .. })));
        #[cfg(target_os = "linux")]
        assert!(matches!(check_writable(Path::new("/proc/report.xml")), Err(WriteError::NotWritable { .. })));
    }

    #[test]
    fn a_failed_write_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inhabitant"), "").unwrap();
        assert!(write(&path, |out| out.write_all(b"x")).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
