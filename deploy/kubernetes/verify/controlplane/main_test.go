// Package controlplane_test applies the manifests to a real control plane: kube-apiserver, etcd, and the controllers that make pods of
// them, all in this process, on loopback. There is no node, so no container ever runs.
package controlplane_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
)

// kubeconfig is the one of the control plane; kubectl's own commands find it in the environment.
var kubeconfig string

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "kubectl" { // a link to this binary: see [plane.shell]
		os.Exit(cli.Run(cmd.NewDefaultKubectlCommand()))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "controlplane")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	stop, err := start(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "starting the control plane:", err)
		return 1
	}
	defer stop()
	return m.Run()
}
