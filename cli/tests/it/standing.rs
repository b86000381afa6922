//! The testbed that the tests of this binary share.
//!
//! Only tests that leave it as it was may use it; others start their own.

use std::sync::OnceLock;

use tokio::runtime::Runtime;
use winconform_testbed::{
    client::{Executable, Testbed},
    progress::Info,
    serve::ServeOptions,
};

struct Standing {
    runtime: Runtime,
    testbed: Testbed,
}

fn standing() -> &'static Standing {
    static STANDING: OnceLock<Standing> = OnceLock::new();
    STANDING.get_or_init(|| {
        winconform::prepare(false);
        let runtime = Runtime::new().unwrap();
        let testbed = runtime.block_on(start(&ServeOptions::default()));
        Standing { runtime, testbed }
    })
}

/// A testbed of one's own.
pub(crate) async fn start(options: &ServeOptions) -> Testbed {
    winconform::prepare(false);
    Testbed::start(&executable(), options, drop).await.unwrap()
}

pub(crate) fn executable() -> Executable {
    Executable::new(env!("CARGO_BIN_EXE_winconform"), ["testbed"])
}

/// The shared testbed.
pub(crate) fn info() -> &'static Info {
    standing().testbed.info()
}

/// Its kubeconfig, as an argument.
pub(crate) fn kubeconfig() -> String {
    info().kubeconfig.display().to_string()
}

/// A client of it.
pub(crate) fn client() -> kube::Client {
    block_on(client_of(&info().kubeconfig))
}

/// A client of the cluster of a kubeconfig.
pub(crate) async fn client_of(kubeconfig: &std::path::Path) -> kube::Client {
    let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
    kube::Client::try_from(config).unwrap()
}

/// Runs a future beside the shared testbed.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    standing().runtime.block_on(future)
}
