//! Runs `winconform` as a user with a home of their own.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A user's home, where nothing is but what a test puts there.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and gives its path as an argument.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    /// The command, without anything of the outer environment that could point it at a cluster.
    ///
    /// The caches stay: the control plane is got once for all tests.
    pub(crate) fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_winconform"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WINCONFORM_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("KUBECONFIG", self.path("no-kubeconfig"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs `winconform` with these words and waits for its end.
    pub(crate) fn run(&self, line: &str) -> Done {
        self.run_words(line.split_whitespace())
    }

    pub(crate) fn run_words(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Done {
        let output = self.command(words).output().unwrap();
        Done {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn start(&self, line: &str) -> Running {
        let mut child = self.command(line.split_whitespace()).spawn().unwrap();
        let err = BufReader::new(child.stderr.take().unwrap());
        Running { child, err, said: String::new() }
    }
}

/// A command that is under way.
pub(crate) struct Running {
    child: Child,
    err: BufReader<std::process::ChildStderr>,
    said: String,
}

impl Running {
    /// Waits until it says a line with this in it.
    pub(crate) fn until(&mut self, words: &str) {
        loop {
            let from = self.said.len();
            assert!(self.err.read_line(&mut self.said).unwrap() > 0, "it ended without `{words}`:\n{}", self.said);
            if self.said[from..].contains(words) {
                return;
            }
        }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn done(mut self) -> Done {
        self.err.read_to_string(&mut self.said).unwrap();
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        Done { code: self.child.wait().unwrap().code(), out, err: self.said }
    }
}

impl Done {
    /// Asserts the exit code, and that each text was said on standard error.
    pub(crate) fn must_say(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for text in texts {
            assert!(self.err.contains(text), "`{text}` was not said:\n{}\n{}", self.err, self.out);
        }
    }

    /// Asserts the exit code, and that each text was printed on standard output, whatever the width it was wrapped to.
    pub(crate) fn must_print(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for text in texts {
            assert!(words(&self.out).contains(&words(text)), "`{text}` was not printed:\n{}", self.out);
        }
    }
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
