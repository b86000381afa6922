// One static program that holds every part of a Kubernetes control plane the
// testbed starts: etcd, the API server, the controller manager and the
// scheduler, and kubectl, the client people use. The first argument (or the
// name it is called by) says which part to be, so one file of about 150 MB is
// built, cached and shared in memory instead of five.
//
// All parts are the upstream commands themselves; nothing here changes what
// they do. Versions are pinned in go.mod: see docs/decisions/0003.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	_ "time/tzdata" // CronJob time zones, as the upstream commands carry them.

	etcd "go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // kubectl's authentication plug-ins.
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// parts are the commands this program can be, by the names they are known by.
var parts = map[string]func(){
	"etcd":                    func() { etcd.Main(os.Args) },
	"kube-apiserver":          func() { os.Exit(cli.Run(apiserver.NewAPIServerCommand())) },
	"kube-controller-manager": func() { os.Exit(cli.Run(controllermanager.NewControllerManagerCommand())) },
	"kube-scheduler":          func() { os.Exit(cli.Run(scheduler.NewSchedulerCommand())) },
	"kubectl":                 runKubectl,
}

func runKubectl() {
	logs.GlogSetter(kubectl.GetLogVerbosity(os.Args)) //nolint:errcheck // as upstream: a bad -v is reported by the command itself.
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err)
	}
}

// endWithInput makes the process end when its standard input closes, as it does
// when whoever attached to its container is gone.
func endWithInput() {
	go func() {
		io.Copy(io.Discard, os.Stdin) //nolint:errcheck // however it ends, it has ended.
		os.Exit(0)
	}()
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "attached" {
		endWithInput()
		os.Args = append(os.Args[:1], os.Args[2:]...)
	}
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	if run, ok := parts[name]; ok {
		run()
		return
	}
	if len(os.Args) > 1 {
		if run, ok := parts[os.Args[1]]; ok {
			os.Args = os.Args[1:]
			run()
			return
		}
	}
	fmt.Fprintln(os.Stderr, "usage: control-plane [attached] etcd|kube-apiserver|kube-controller-manager|kube-scheduler|kubectl [ARGUMENT ...]")
	os.Exit(2)
}
