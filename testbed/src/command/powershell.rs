use super::{Exit, Io, Session};
pub(super) async fn main(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let text = arguments.join(" ");
    match crate::image::Script::recognise(&text) {
        Some(script) => crate::image::listen_and_count(session, script, io).await,
        None => 1,
    }
}
