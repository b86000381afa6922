//! The fixtures: objects that several checks share and only read.

use winconform_harness::{Fixture, Spread};
use winconform_manifests as manifests;

/// The guide's web server, two pods and a NodePort Service, once for each target.
pub const WIN_WEBSERVER: Fixture = Fixture {
    name: "win-webserver",
    summary: "the guide's web server: a Deployment of two and a NodePort Service",
    manifest: manifests::WIN_WEBSERVER,
    spread: Spread::Target,
    follow_logs: true,
    host: false,
};

/// A pod on each Windows node, to probe from and to; also the node's canary.
pub const WINDOWS_POD: Fixture = Fixture {
    name: "windows-pod",
    summary: "a pod on each Windows node, to probe from and to",
    manifest: manifests::WINDOWS_POD,
    spread: Spread::WindowsNode,
    follow_logs: false,
    host: false,
};

/// A HostProcess pod on each Windows node: the host's own view.
pub const WINDOWS_HOST: Fixture = Fixture {
    name: "windows-host",
    summary: "a HostProcess pod on each Windows node: the host's own view",
    manifest: manifests::WINDOWS_HOST,
    spread: Spread::WindowsNode,
    follow_logs: false,
    host: true,
};

/// An ordinary pod on a Linux node.
pub const LINUX_CLIENT: Fixture = Fixture {
    name: "linux-client",
    summary: "a pod on a Linux node, to probe from",
    manifest: manifests::LINUX_CLIENT,
    spread: Spread::OneLinuxNode,
    follow_logs: false,
    host: false,
};

/// A pod in the network of a Linux node: the guide's "Linux control plane node".
pub const LINUX_HOST: Fixture = Fixture {
    name: "linux-host",
    summary: "a pod in a Linux node's own network",
    manifest: manifests::LINUX_HOST,
    spread: Spread::OneLinuxNode,
    follow_logs: false,
    host: true,
};

/// A Linux web server behind a Service.
pub const LINUX_SERVER: Fixture = Fixture {
    name: "linux-server",
    summary: "a Linux web server behind a Service",
    manifest: manifests::LINUX_SERVER,
    spread: Spread::OneLinuxNode,
    follow_logs: false,
    host: false,
};

/// The guide's IIS with its limits and requests, one pod and a Service, once for each target.
pub const IIS: Fixture = Fixture {
    name: "iis",
    summary: "the guide's IIS: a Deployment of one with limits and requests, and a Service",
    manifest: manifests::IIS,
    spread: Spread::Target,
    follow_logs: false,
    host: false,
};
