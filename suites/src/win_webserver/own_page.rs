//! A web server asked by its own pod at its own IP: only the server is judged, and no network between pods.

use winconform_harness::{
    Budget, Context,
    probe::{Aim, HttpProbe, PodRef},
};
use winconform_reports::event::{Destination, Vantage};

use crate::reachability::PAGE;

/// Asks a pod for its page, from itself.
pub(super) fn own_page(cx: &Context, pod: &PodRef, connections: u32) -> HttpProbe {
    HttpProbe {
        from: pod.clone(),
        vantage: Vantage::WindowsPod,
        aim: Aim::page(Destination::WindowsPodSameNode, &pod.ip, 80, Some(pod.node.clone())),
        expect: PAGE,
        connections,
        settle: Some(cx.budgets().inside(Budget::Datapath)),
    }
}
