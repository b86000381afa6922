//! The `winconform` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The testbed's own processes come first: they need none of what follows,
    // and a boot should not wait for it.
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(role) = winconform::testbed::role_of_this_process(&arguments) {
        return winconform_testbed::main_serve(role);
    }
    winconform::main()
}
