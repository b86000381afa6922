use super::{Exit, Io, Session};
pub(super) async fn main<A: ?Sized>(_s: &Session, _a: &A, _io: &Io) -> Exit { 1 }
