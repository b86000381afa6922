use super::{Exit, Io, Session};
pub(super) async fn main(_s: &Session, _n: &str, _a: &[String], _io: &Io) -> Exit { 1 }
