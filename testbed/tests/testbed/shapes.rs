//! Shapes whose oddities the control plane must agree with.

use serde_json::json;
use winconform_testbed::serve::ServeOptions;

use crate::help::{kubectl, start};
use crate::workload::{Workload, windows, with_input};

#[tokio::test]
async fn shapes_stack_into_one_cluster_with_foreign_taints_old_kubelets_and_a_policy() {
    let shape = "other-taint,old-kubelet,preview-build,no-host-process".to_owned();
    let testbed = start(&ServeOptions { shape, ..ServeOptions::default() }).await;
    let info = testbed.info();

    let template = "{range .items[*]}{.metadata.name} {.status.nodeInfo.kubeletVersion} \
                    {.metadata.labels.node\\.kubernetes\\.io/windows-build}{'\\n'}{end}";
    let nodes = kubectl(info, &["get", "nodes", "-o", &format!("jsonpath={template}")]).await.out;
    assert_eq!(nodes, "linux-0 v1.16.15 \nlinux-1 v1.16.15 \nwin-2019-0 v1.16.15 \nwin-preview-0 v1.37.2 10.0.29531\n");

    kubectl(info, &["create", "namespace", "trusted"]).await;
    kubectl(info, &["label", "namespace", "trusted", "pod-security.kubernetes.io/enforce=privileged"]).await;
    let pod = |host_process: bool| {
        let mut spec = windows(json!(["cmd", "/c", "ping -t 127.0.0.1 >NUL"]));
        spec["nodeSelector"] = json!({"kubernetes.io/hostname": "win-preview-0"});
        spec["containers"][0]["image"] = json!("mcr.microsoft.com/windows/servercore/insider:10.0.29531.1010");
        if host_process {
            spec["hostNetwork"] = json!(true);
            spec["containers"][0]["securityContext"] = json!({"windowsOptions": {"hostProcess": true}});
        }
        spec
    };
    let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "host"}, "spec": pod(true)});
    let refused = with_input(info, &["create", "-n", "trusted", "-f", "-"], &object.to_string()).await;
    assert!(
        refused.err.contains("(Forbidden)") && refused.err.contains("hostProcess containers are disallowed"),
        "{refused:?}"
    );
    Workload::start_in(info, "ordinary", pod(false)).await.ready().await;
    testbed.stop().await;
}
