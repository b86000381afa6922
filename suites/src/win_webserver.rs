//! Suite `win-webserver`: the guide's web server deploys, becomes ready and serves (D1 to D6).

mod applies;
mod listed;
mod logs;
mod pods_ready;
mod serves_page;

use winconform_harness::Check;

/// The suite's checks, in report order.
pub const CHECKS: &[&Check] = &[&applies::CHECK, &pods_ready::CHECK, &listed::CHECK, &serves_page::CHECK, &logs::CHECK];
