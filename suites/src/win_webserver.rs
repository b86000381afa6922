//! Suite `win-webserver`: the guide's web server deploys, serves, scales and goes (D1 to D7, O1).

mod applies;
mod listed;
mod log_arrives;
mod logs;
mod own_page;
mod pods_ready;
mod port_mapping;
mod scales;
mod serves_page;
mod terminates;
mod traffic;

use winconform_harness::Check;

/// The suite's checks, in report order.
pub const CHECKS: &[&Check] = &[
    &applies::CHECK,
    &pods_ready::CHECK,
    &listed::CHECK,
    &serves_page::CHECK,
    &port_mapping::CHECK,
    &logs::CHECK,
    &log_arrives::CHECK,
    &scales::CHECK,
    &terminates::CHECK,
];
