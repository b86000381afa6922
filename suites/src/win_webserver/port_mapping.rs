//! A Service maps its port to another one of the pods: the guide's "port mapping".

use std::collections::BTreeMap;

use winconform_harness::{
    Answer, Budget, Check, Context, Explain, Failure, Trouble, Use,
    placement::FIXTURE_LABEL,
    probe::{Aim, HttpProbe, judge},
};
use winconform_manifests::{Kind, WIN_WEBSERVER_PORT_MAPPING};
use winconform_reports::event::{Destination, Vantage};

use crate::{
    fixture::{WIN_WEBSERVER, WINDOWS_POD},
    reachability::PAGE,
    trial::{TRIAL, exactly},
};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "win-webserver/port-mapping",
    title: "A Service leads from another port to the web server's",
    statement: "D5",
    passing: "Every connection from a pod on each node to port 8080 of a Service of the same pods brought the page.",
    silent_on: "Ports of the host (`hostPort`).",
    uses: &[Use::settled(&WINDOWS_POD), Use::ready(&WIN_WEBSERVER)],
    creates: &[WIN_WEBSERVER_PORT_MAPPING],
    explain: Explain {
        sources: &["https://kubernetes.io/docs/concepts/windows/user-guide/"],
        failures: &[Failure {
            seen: "Port 8080 is dead while port 80 of the other Service works.",
            advice: "kube-proxy programs the mapping wrongly on that node: compare `hnsdiag list loadbalancers` there with the Service's ports.",
        }],
        by_hand: &[
            "kubectl expose deployment win-webserver --name mapped --port 8080 --target-port 80",
            "kubectl exec WINDOWS_POD -- curl.exe -s http://SERVICE_IP:8080/",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

const CONNECTIONS: u32 = 8;

async fn run(cx: Context) -> Answer {
    let backends = cx.ready(&WIN_WEBSERVER)?;
    let slug = cx.fixture(&WIN_WEBSERVER)?.key.slug();
    let nodes = cx.open_nodes_here()?;
    let [mut service] = exactly(cx.draft(&WIN_WEBSERVER_PORT_MAPPING, "", &nodes)?)?;
    if let Kind::Service(service) = &mut service.kind {
        service.spec.get_or_insert_default().selector = Some(BTreeMap::from([(FIXTURE_LABEL.to_owned(), slug)]));
    }
    let made = cx.create(&service).await?;
    let Kind::Service(made) = &made.kind else {
        return Err(Trouble::Unexpected("the API server made something else of a Service".to_owned()));
    };
    let spec = made.spec.clone().unwrap_or_default();
    let port = spec.ports.iter().flatten().next().map_or(8080, |port| port.port);
    let ip = spec.cluster_ip.ok_or_else(|| Trouble::Unexpected("the Service has no IP".to_owned()))?;
    let sources: Vec<_> = cx.ready_here(&WINDOWS_POD).flat_map(|(_, ready)| ready.pods.clone()).collect();
    if sources.is_empty() {
        cx.ready(&WINDOWS_POD)?;
    }
    let page = |pod: &winconform_harness::probe::PodRef| {
        Aim::page(Destination::WindowsPodOtherNode, &pod.ip, 80, Some(pod.node.clone()))
    };
    cx.settle(&backends, page, &PAGE).await;
    let probe = |from| HttpProbe {
        from,
        vantage: Vantage::WindowsPod,
        aim: Aim::page(Destination::WindowsServiceIp, &ip, port, None),
        expect: PAGE,
        connections: CONNECTIONS,
        settle: Some(cx.budgets().inside(Budget::Datapath)),
    };
    let probed = cx.probe(sources.into_iter().map(probe).collect()).await;
    Ok(judge(&probed, &format!("port {port} must lead to port 80 of the pods")))
}
