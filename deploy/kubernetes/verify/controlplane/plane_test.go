package controlplane_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/pkg/controller/deployment"
	"k8s.io/kubernetes/pkg/controller/job"
	"k8s.io/kubernetes/pkg/controller/replicaset"
	"k8s.io/kubernetes/pkg/controller/statefulset"
)

// client asks the control plane.
var client kubernetes.Interface

// start starts etcd, the API server and the controllers; everything they write is in dir. The API server ends with the process.
func start(dir string) (stop func(), err error) {
	ctx, cancel := context.WithCancel(context.Background())
	etcd, err := startEtcd(dir)
	if err != nil {
		cancel()
		return nil, err
	}
	stop = func() { cancel(); etcd.Close() }
	if err := startAPIServer(ctx, dir, etcd.Clients[0].Addr().String()); err != nil {
		stop()
		return nil, err
	}
	if err := startControllers(ctx); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

func startEtcd(dir string) (*embed.Etcd, error) {
	c := embed.NewConfig()
	c.Dir = filepath.Join(dir, "etcd")
	c.LogLevel = "fatal" // it calls its own end an error
	c.UnsafeNoFsync = true
	loopback := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	c.ListenClientUrls, c.AdvertiseClientUrls, c.ListenPeerUrls, c.AdvertisePeerUrls = loopback, loopback, loopback, loopback
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	etcd, err := embed.StartEtcd(c)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, nil
	case <-time.After(2 * time.Minute):
		etcd.Close()
		return nil, fmt.Errorf("etcd is not ready after two minutes")
	}
}

func startAPIServer(ctx context.Context, dir, etcd string) error {
	key, tokens := filepath.Join(dir, "sa.key"), filepath.Join(dir, "tokens.csv")
	if err := writeKey(key); err != nil {
		return err
	}
	if err := os.WriteFile(tokens, []byte("of-this-test,admin,admin,system:masters\n"), 0o600); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	server := apiserver.NewAPIServerCommand()
	server.SetArgs([]string{
		"--etcd-servers=http://" + etcd, "--bind-address=127.0.0.1", "--secure-port=" + port, "--cert-dir=" + filepath.Join(dir, "certs"),
		"--advertise-address=192.0.2.1", "--endpoint-reconciler-type=none", // it does not take loopback for an address
		"--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=RBAC", "--token-auth-file=" + tokens,
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + key, "--service-account-signing-key-file=" + key,
		"-v=0",
	})
	failed := make(chan error, 1)
	go func() { failed <- server.Execute() }()
	kubeconfig = filepath.Join(dir, "kubeconfig")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:%s', insecure-skip-tls-verify: true}}]\n"+
		"users: [{name: u, user: {token: of-this-test}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n", port)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	if client, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	return wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, 5*time.Minute, true, func(ctx context.Context) (bool, error) {
		select {
		case err := <-failed:
			return false, fmt.Errorf("kube-apiserver ended: %w", err)
		default:
		}
		_, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err == nil, nil
	})
}

// startControllers starts those that turn a StatefulSet, a Deployment and a Job into pods. No CronJob controller: a test that runs
// across a full five minutes would see a job it did not ask for.
func startControllers(ctx context.Context) error {
	f := informers.NewSharedInformerFactory(client, 0)
	pods, apps := f.Core().V1().Pods(), f.Apps().V1()
	jobs, err := job.NewController(ctx, client, pods, f.Batch().V1().Jobs(), nil, nil)
	if err != nil {
		return err
	}
	deployments, err := deployment.NewDeploymentController(ctx, apps.Deployments(), apps.ReplicaSets(), pods, client)
	if err != nil {
		return err
	}
	sets := statefulset.NewStatefulSetController(ctx, pods, apps.StatefulSets(), f.Core().V1().PersistentVolumeClaims(), apps.ControllerRevisions(), client)
	replicas := replicaset.NewReplicaSetController(ctx, apps.ReplicaSets(), pods, client, 10)
	f.Start(ctx.Done())
	go jobs.Run(ctx, 2)
	go deployments.Run(ctx, 2)
	go sets.Run(ctx, 2)
	go replicas.Run(ctx, 2)
	return nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// writeKey makes the key with which the API server signs tokens of service accounts.
func writeKey(path string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}
