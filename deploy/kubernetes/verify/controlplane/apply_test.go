package controlplane_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// shell runs a script with kubectl, which is this binary under another name.
func shell(t *testing.T, script string) (output string, err error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "kubectl")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "KUBECONFIG="+kubeconfig, "HOME="+bin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustShell(t *testing.T, script string) string {
	t.Helper()
	out, err := shell(t, script)
	if err != nil {
		t.Fatalf("%s\n%s%v", script, out, err)
	}
	return out
}

// eventually waits for a condition of the cluster.
func eventually(t *testing.T, what string, ok func(context.Context) bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, 2*time.Minute, true, func(ctx context.Context) (bool, error) { return ok(ctx), nil })
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// podMonitoring makes the cluster know the kinds of Managed Service for Prometheus, as GKE does.
func podMonitoring(t *testing.T) {
	t.Helper()
	download := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "github.com/GoogleCloudPlatform/prometheus-engine@v0.17.2")
	download.Dir = t.TempDir()
	out, err := download.Output()
	if err != nil {
		t.Fatalf("go mod download: %v", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	mustShell(t, "kubectl apply --server-side -f "+module.Dir+"/manifests/setup.yaml && kubectl wait --for=condition=Established crd/podmonitorings.monitoring.googleapis.com --timeout=60s")
}

// overlay writes an overlay of our own over one of the tree's, in a namespace of its own, so that all live in one cluster.
func overlay(t *testing.T, of, namespace, more string) string {
	t.Helper()
	tree := t.TempDir()
	for _, part := range []string{"base", "components", "overlays"} {
		if err := os.CopyFS(filepath.Join(tree, part), os.DirFS(filepath.Join("..", "..", part))); err != nil {
			t.Fatal(err)
		}
	}
	if more == "scheduled" {
		file := filepath.Join(tree, "overlays", of, "kustomization.yaml")
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(strings.Replace(string(content), "components/cronjob #", "components/scheduled #", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mine := filepath.Join(tree, "overlays", "mine")
	if err := os.Mkdir(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mine, "kustomization.yaml"), []byte("namespace: "+namespace+"\nresources: [../"+of+"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return mine
}

func pods(ctx context.Context, namespace string) (names []string) {
	list, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil
	}
	for _, p := range list.Items {
		names = append(names, p.Name)
	}
	return names
}

func TestTheClusterTakesEveryOverlayAndMakesItsPods(t *testing.T) {
	podMonitoring(t)
	for _, c := range []struct{ of, namespace, more, want string }{
		{"gke", "edgewarden-a", "", "edgewarden-ingest-0 edgewarden-ingest-1"},
		{"gke", "edgewarden-b", "scheduled", "edgewarden-blocker- edgewarden-ingest-0 edgewarden-ingest-1"},
		{"local", "edgewarden-c", "", "edgewarden-ingest-0"},
	} {
		t.Run(c.of+c.more, func(t *testing.T) {
			dir := overlay(t, c.of, c.namespace, c.more)
			out := mustShell(t, "kubectl apply --validate=strict -k "+dir)
			if strings.Contains(out, "Warning") {
				t.Errorf("the cluster warns:\n%s", out)
			}
			// Pod Security judges pods, not what makes them: only now it shows that they are let in.
			eventually(t, "pods "+c.want, func(ctx context.Context) bool {
				have := strings.Join(pods(ctx, c.namespace), " ")
				for want := range strings.FieldsSeq(c.want) {
					if !strings.Contains(have, want) {
						return false
					}
				}
				return true
			})
			generations := "kubectl -n " + c.namespace + " get statefulset,deployment,cronjob,pdb,networkpolicy -o 'jsonpath={.items[*].metadata.generation}'"
			before := mustShell(t, generations)
			mustShell(t, "kubectl apply --validate=strict -k "+dir)
			if after := mustShell(t, generations); after != before || len(before) < 8 {
				t.Errorf("applied twice, it changes something: generations %s, then %s", before, after)
			}
			mustShell(t, "kubectl -n "+c.namespace+" create serviceaccount default") // as a controller does that is not here
			if out, err := shell(t, "kubectl -n "+c.namespace+" run root --image=example"); err == nil || !strings.Contains(out, "PodSecurity \"restricted") {
				t.Errorf("a pod that may run as root is let in: %s", out)
			}
		})
	}
}

// documented are the commands of a section of docs/kubernetes.md.
func documented(t *testing.T, section string) []string {
	t.Helper()
	page, err := os.ReadFile("../../../../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(page), "\n## "+section+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	blocks := regexp.MustCompile(`(?m)(?:^    .*\n)+`).FindAllString(text, -1)
	if !found || len(blocks) == 0 {
		t.Fatalf("docs/kubernetes.md has no commands in %q", section)
	}
	return blocks
}

func TestTheDocumentedOneOffJobsWork(t *testing.T) {
	mustShell(t, "kubectl apply -k ../../overlays/local") // the namespace the page speaks of
	dir := t.TempDir()
	config, err := os.ReadFile("../../overlays/gke/edgewarden.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "edgewarden.yaml"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, commands := range documented(t, "One run by hand") {
		commands = regexp.MustCompile(`(?m)^.*\blogs -f\b.*$`).ReplaceAllString(commands, "") // nothing runs here
		mustShell(t, "cd "+dir+"\n"+commands)
	}
	for name, want := range map[string]struct{ args, config string }{
		"now":  {"--log-format=json --dry-run", ""},
		"try":  {"--dry-run --json --settle=5m", ""},
		"try2": {"--dry-run", "try"},
	} {
		job, err := client.BatchV1().Jobs("edgewarden").Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		spec := job.Spec.Template.Spec
		if args := strings.Join(spec.Containers[0].Args, " "); !strings.HasSuffix(args, want.args) {
			t.Errorf("job %s: arguments %s, want %s at the end", name, args, want.args)
		}
		for _, v := range spec.Volumes {
			if v.Name == "config" && want.config != "" && v.ConfigMap.Name != want.config {
				t.Errorf("job %s: configuration %s, want %s", name, v.ConfigMap.Name, want.config)
			}
		}
		eventually(t, "pod of job "+name, func(ctx context.Context) bool { return len(podsOf(ctx, name)) == 1 })
	}
}

func podsOf(ctx context.Context, job string) []corev1.Pod {
	list, err := client.CoreV1().Pods("edgewarden").List(ctx, metav1.ListOptions{LabelSelector: "batch.kubernetes.io/job-name=" + job})
	if err != nil {
		return nil
	}
	return list.Items
}

// end makes a job's only pod end with an exit code, as a kubelet would report it.
func end(t *testing.T, job string, code int32) {
	t.Helper()
	eventually(t, "pod of job "+job, func(ctx context.Context) bool { return len(podsOf(ctx, job)) == 1 })
	pod := podsOf(t.Context(), job)[0]
	pod.Status.Phase = corev1.PodFailed
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "blocker", Image: "i", ImageID: "i",
		State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, FinishedAt: metav1.Now()}}}}
	if _, err := client.CoreV1().Pods("edgewarden").UpdateStatus(t.Context(), &pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestARunThatTheGuardRefusedIsNotTriedAgain(t *testing.T) {
	mustShell(t, `kubectl apply -k ../../overlays/local
kubectl -n edgewarden create job refused --from=cronjob/edgewarden-blocker
kubectl -n edgewarden create job failed --from=cronjob/edgewarden-blocker`)
	end(t, "refused", 3)
	end(t, "failed", 1)
	eventually(t, "job refused has failed", func(ctx context.Context) bool {
		job, err := client.BatchV1().Jobs("edgewarden").Get(ctx, "refused", metav1.GetOptions{})
		if err != nil {
			return false
		}
		for _, c := range job.Status.Conditions {
			if c.Type == batchv1.JobFailed && c.Status == corev1.ConditionTrue {
				return c.Reason == batchv1.JobReasonPodFailurePolicy
			}
		}
		return false
	})
	if n := len(podsOf(t.Context(), "refused")); n != 1 {
		t.Errorf("a refused run was tried %d times", n)
	}
	eventually(t, "job failed is tried once more", func(ctx context.Context) bool { return len(podsOf(ctx, "failed")) == 2 })
}

// The server knows what no schema does.
func TestTheServerRefusesASchedule(t *testing.T) {
	dir := overlay(t, "local", "edgewarden-d", "")
	mustShell(t, "kubectl create namespace edgewarden-d")
	out, err := shell(t, "kubectl kustomize "+dir+" | sed 's#schedule: .*#schedule: nope#' | kubectl apply --dry-run=server -f -")
	if err == nil || !strings.Contains(out, `spec.schedule: Invalid value: "nope"`) {
		t.Errorf("%v: %s", err, out)
	}
}
