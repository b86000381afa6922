//! A testbed's processes without the `winconform` command around them: what this crate's own tests start.

use std::process::ExitCode;

fn main() -> ExitCode {
    winconform_testbed::main_serve(std::env::args().skip(1))
}
