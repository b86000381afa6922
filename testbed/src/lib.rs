//! A Kubernetes cluster with Windows nodes, on one machine, without root.
//!
//! The control plane is real: etcd, kube-apiserver, kube-controller-manager and
//! kube-scheduler run as processes. The nodes and the network between them are
//! simulated here: virtual nodes register, run pods whose images are programs
//! of this crate, and serve the kubelet API; every connection that the API
//! server makes to a node, a pod or a Service arrives at the virtual network
//! through its egress socket.
//!
//! A testbed is a process of its own ([`serve`]); [`client`] starts one and
//! talks to it. Whatever way the starter ends, the testbed and everything it
//! started end with it. Defects can be put into a running testbed ([`fault`]),
//! each of which counts how often it changed an outcome.

mod admission;
mod api_front;
pub mod client;
pub mod clock;
mod cluster_dns;
mod command;
pub mod control;
pub mod control_plane;
pub mod directory;
pub mod fault;
mod fault_objects;
mod fault_webhooks;
mod image;
pub mod join;
mod kubelet_api;
pub mod network;
pub mod node;
mod pod;
pub mod process;
pub mod progress;
mod registry;
pub mod serve;
pub mod shape;
pub mod world;

pub use serve::main_serve;
