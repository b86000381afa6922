//! Which programs the images carry.

use crate::command::Kit;

/// Windows Server Core: a whole Windows without a desktop.
pub(super) const SERVERCORE: Kit = &[
    "cmd",
    "powershell",
    "curl",
    "ping",
    "nslookup",
    "ipconfig",
    "whoami",
    "hostname",
    "timeout",
    "where",
    "findstr",
    "more",
    "net",
    "nltest",
    "klist",
    "netstat",
    "route",
    "shutdown",
    "tasklist",
    "wevtutil",
];

/// A node itself, for HostProcess containers: Windows Server with the tools of node images.
pub(crate) const HOST: Kit = &[
    "cmd",
    "powershell",
    "curl",
    "ping",
    "nslookup",
    "ipconfig",
    "whoami",
    "hostname",
    "timeout",
    "where",
    "findstr",
    "more",
    "net",
    "nltest",
    "klist",
    "netstat",
    "route",
    "shutdown",
    "tasklist",
    "wevtutil",
    "crictl",
    "hnsdiag",
    "pause",
];

/// Nano Server: no PowerShell, no nslookup.
pub(super) const NANOSERVER: Kit =
    &["cmd", "curl", "ping", "ipconfig", "whoami", "hostname", "where", "findstr", "more", "tasklist"];

/// Server Core with the web server and the program that watches it.
pub(super) const IIS: Kit = &[
    "cmd",
    "powershell",
    "curl",
    "ping",
    "nslookup",
    "ipconfig",
    "whoami",
    "hostname",
    "timeout",
    "where",
    "findstr",
    "more",
    "net",
    "nltest",
    "klist",
    "netstat",
    "route",
    "shutdown",
    "tasklist",
    "wevtutil",
    "servicemonitor",
];

/// The sandbox image on Windows, which is a Nano Server.
pub(super) const PAUSE_WINDOWS: Kit = &["pause", "cmd", "curl", "ping", "ipconfig", "whoami", "hostname"];

/// The sandbox image on Linux: one program.
pub(super) const PAUSE: Kit = &["pause"];

/// The Kubernetes project's test image on Windows.
pub(super) const AGNHOST_WINDOWS: Kit = &[
    "agnhost",
    "cmd",
    "powershell",
    "curl",
    "ping",
    "nslookup",
    "ipconfig",
    "whoami",
    "hostname",
    "where",
    "findstr",
    "more",
];

/// The Kubernetes project's test image on Linux (Alpine with network tools).
pub(super) const AGNHOST_LINUX: Kit = &[
    "agnhost", "sh", "ash", "curl", "wget", "ping", "nslookup", "cat", "echo", "printf", "hostname", "id", "whoami",
    "sleep", "true", "false", "seq", "env", "printenv", "date", "uname", "ls", "head", "tail", "grep", "wc", "test",
    "[", "pwd", "touch", "rm", "tee",
];

/// The webhook for credential specs: one program.
pub(super) const GMSA_WEBHOOK: Kit = &["k8s-gmsa-webhook"];

/// Busybox: its own small versions of everything, and no curl.
pub(super) const BUSYBOX: Kit = &[
    "sh", "ash", "wget", "ping", "nslookup", "cat", "echo", "printf", "hostname", "id", "whoami", "sleep", "true",
    "false", "seq", "env", "printenv", "date", "uname", "ls", "head", "tail", "grep", "wc", "test", "[", "pwd",
    "touch", "rm", "tee",
];

/// curl on Alpine.
pub(super) const CURL: Kit = &[
    "curl", "sh", "ash", "wget", "ping", "nslookup", "cat", "echo", "printf", "hostname", "id", "whoami", "sleep",
    "true", "false", "seq", "env", "printenv", "date", "uname", "ls", "head", "tail", "grep", "wc", "test", "[", "pwd",
    "touch", "rm", "tee",
];

/// Network tools on Alpine, with bash.
pub(super) const NETSHOOT: Kit = &[
    "bash", "sh", "ash", "curl", "wget", "ping", "nslookup", "cat", "echo", "printf", "hostname", "id", "whoami",
    "sleep", "true", "false", "seq", "env", "printenv", "date", "uname", "ls", "head", "tail", "grep", "wc", "test",
    "[", "pwd", "touch", "rm", "tee",
];
