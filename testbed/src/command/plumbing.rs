//! The streams of a command after its redirections, for every shell.

use super::{Io, Session, Sink, Stdin};
use crate::directory::FileError;

/// One redirection, whose paths are text or what becomes text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redirect<P = String> {
    /// What is redirected: 0, 1 or 2; others are nobody's.
    pub(super) handle: u8,
    /// Where to.
    pub(super) to: Target<P>,
}

/// Where a redirection leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target<P = String> {
    /// Where another stream goes at this moment.
    Handle(u8),
    /// From a file.
    Input(P),
    /// Into a file.
    File {
        /// Its path.
        path: P,
        /// Behind what is in it.
        append: bool,
    },
}

/// A file that could not be opened.
pub(super) struct Closed {
    /// Its path.
    pub(super) path: String,
    /// Why not.
    pub(super) why: FileError,
}

/// The streams of a command after its redirections.
pub(super) struct Plumbing {
    pub(super) io: Io,
    files: Vec<(Sink, String, bool)>,
}

impl Plumbing {
    /// Applies redirections from left to right.
    ///
    /// # Errors
    ///
    /// The first file that cannot be opened.
    pub(super) async fn lay(
        session: &Session,
        io: &Io,
        redirects: impl IntoIterator<Item = Redirect>,
    ) -> Result<Self, Closed> {
        let mut laid = Self { io: io.clone(), files: Vec::new() };
        for redirect in redirects {
            let sink = match redirect.to {
                Target::Handle(1) => laid.io.stdout.clone(),
                Target::Handle(2) => laid.io.stderr.clone(),
                Target::Handle(_) => continue,
                Target::Input(path) => {
                    match session.read(&path).await {
                        Ok(bytes) => laid.io.stdin = Stdin::held(bytes),
                        Err(why) => return Err(Closed { path, why }),
                    }
                    continue;
                }
                Target::File { path, .. } if is_nowhere(session, &path) => Sink::Null,
                Target::File { path, append } => {
                    if let Err(why) = session.may_write(&path).await {
                        return Err(Closed { path, why });
                    }
                    let sink = Sink::keeping();
                    laid.files.push((sink.clone(), path, append));
                    sink
                }
            };
            match redirect.handle {
                1 => laid.io.stdout = sink,
                2 => laid.io.stderr = sink,
                _ => {}
            }
        }
        Ok(laid)
    }

    /// Writes the files.
    pub(super) async fn finish(self, session: &Session) {
        for (sink, path, append) in self.files {
            // It could be opened before; what is lost since then is lost without a word, as on Windows.
            let _ = session.write(&path, &sink.take(), append).await;
        }
    }
}

/// Whether a path is the device that takes everything and keeps nothing.
fn is_nowhere(session: &Session, path: &str) -> bool {
    if session.system.is_windows() { path.eq_ignore_ascii_case("nul") } else { path == "/dev/null" }
}
