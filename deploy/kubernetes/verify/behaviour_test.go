package verify_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	k8sresource "k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

func labelSet(m map[string]string) labels.Set { return m }

func parse(t *testing.T, s string) k8sresource.Quantity {
	t.Helper()
	q, err := k8sresource.ParseQuantity(s)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// arg is the value of a flag in a container's arguments.
func arg(t *testing.T, c corev1.Container, name string) string {
	t.Helper()
	for _, a := range c.Args {
		if v, ok := strings.CutPrefix(a, name+"="); ok {
			return v
		}
	}
	t.Fatalf("no %s in %v", name, c.Args)
	return ""
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The program's own stop (cmd/ingest/stop.go) takes the drain period and then at most the shutdown timeout; a pod that is killed
// before has lines in sockets.
func TestIngestHasTimeToStop(t *testing.T) {
	for name, r := range renderings(t) {
		p := one[*appsv1.StatefulSet](t, r).Spec.Template.Spec
		grace := time.Duration(*p.TerminationGracePeriodSeconds) * time.Second
		drain, stop := duration(t, arg(t, p.Containers[0], "--drain")), duration(t, arg(t, p.Containers[0], "--shutdown-timeout"))
		if grace < drain+stop+10*time.Second {
			t.Errorf("%s: %s to stop, %s + %s are needed, and room", name, grace, drain, stop)
		}
		probe := p.Containers[0].ReadinessProbe
		if notReady := time.Duration(probe.PeriodSeconds*probe.FailureThreshold) * time.Second; drain <= notReady {
			t.Errorf("%s: drains for %s, but is seen as not ready only after %s", name, drain, notReady)
		}
	}
}

func TestIngestKeepsItsSpool(t *testing.T) {
	for name, r := range renderings(t) {
		s := one[*appsv1.StatefulSet](t, r)
		if s.Spec.PodManagementPolicy != appsv1.ParallelPodManagement {
			t.Errorf("%s: one bad pod holds up all", name)
		}
		if len(s.Spec.VolumeClaimTemplates) != 1 || s.Spec.PersistentVolumeClaimRetentionPolicy.WhenScaled != appsv1.RetainPersistentVolumeClaimRetentionPolicyType {
			t.Fatalf("%s: the spool does not outlive the pod", name)
		}
		size := s.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests[corev1.ResourceStorage]
		if spool := int64(8 << 30); size.Value() < 2*spool { // the default of --spool-max-bytes
			t.Errorf("%s: a disk of %s for a spool of 8 GiB, dead letters and the ledger", name, size.String())
		}
		budget := one[*policyv1.PodDisruptionBudget](t, r)
		if budget.Spec.MaxUnavailable.IntValue() != 1 || !selects(t, *budget.Spec.Selector, s.Spec.Template.Labels) {
			t.Errorf("%s: the disruption budget does not hold for ingest", name)
		}
	}
}

func TestTheServiceKeepsTheSendersAddress(t *testing.T) {
	for name, r := range renderings(t) {
		for _, s := range all[*corev1.Service](t, r) {
			if s.Name != "edgewarden-ingest" {
				continue
			}
			want := corev1.ServiceTypeLoadBalancer
			if name == "local" {
				want = corev1.ServiceTypeNodePort
			}
			if s.Spec.Type != want || s.Spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal {
				t.Errorf("%s: %s, traffic policy %s", name, s.Spec.Type, s.Spec.ExternalTrafficPolicy)
			}
			template := one[*appsv1.StatefulSet](t, r).Spec.Template
			if !labels.SelectorFromSet(s.Spec.Selector).Matches(labelSet(template.Labels)) {
				t.Errorf("%s: the service selects nobody", name)
			}
		}
	}
}

// allowed lists where a pod may be connected from (policy type Ingress) or connect to, as "PEER PORT".
func allowed(t *testing.T, r rendering, pod corev1.PodTemplateSpec, kind networkingv1.PolicyType) (rules []string, denied bool) {
	t.Helper()
	peer := func(p networkingv1.NetworkPolicyPeer) string {
		if p.IPBlock != nil {
			return p.IPBlock.CIDR
		}
		return "namespaces " + strings.TrimPrefix(labels.FormatLabels(p.NamespaceSelector.MatchLabels), "kubernetes.io/metadata.name=") + matched(p)
	}
	for _, n := range all[*networkingv1.NetworkPolicy](t, r) {
		if !selects(t, n.Spec.PodSelector, pod.Labels) || !slices.Contains(n.Spec.PolicyTypes, kind) {
			continue
		}
		denied = true // a pod that a policy selects may do only what a policy allows
		add := func(peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) {
			if len(peers) == 0 || len(ports) == 0 {
				t.Errorf("policy %s allows everything", n.Name)
			}
			for _, p := range peers {
				for _, port := range ports {
					rules = append(rules, peer(p)+" "+string(*port.Protocol)+" "+port.Port.String())
				}
			}
		}
		if kind == networkingv1.PolicyTypeIngress {
			for _, i := range n.Spec.Ingress {
				add(i.From, i.Ports)
			}
		} else {
			for _, e := range n.Spec.Egress {
				add(e.To, e.Ports)
			}
		}
	}
	return rules, denied
}

func matched(p networkingv1.NetworkPolicyPeer) (s string) {
	for _, e := range p.NamespaceSelector.MatchExpressions {
		s += strings.Join(e.Values, ",")
	}
	return strings.ReplaceAll(s, "<none>", "")
}

func TestTheNetworkIsClosedButForWhatIsNeeded(t *testing.T) {
	for name, r := range renderings(t) {
		for kind, p := range pods(t, r) {
			in, denied := allowed(t, r, p, networkingv1.PolicyTypeIngress)
			out, deniedOut := allowed(t, r, p, networkingv1.PolicyTypeEgress)
			if !denied || !deniedOut {
				t.Errorf("%s: %s is open", name, kind)
			}
			lines := slices.Contains(in, "0.0.0.0/0 TCP syslog-tls")
			if lines != (kind == "StatefulSet") {
				t.Errorf("%s: %s takes lines: %v", name, kind, lines)
			}
			for _, rule := range in {
				metrics := strings.HasSuffix(rule, " TCP admin") && strings.Contains(rule, "gmp-system")
				if !metrics && !(lines && (rule == "0.0.0.0/0 TCP syslog-tls" || rule == "::/0 TCP syslog-tls")) {
					t.Errorf("%s: %s can be reached by more than it needs: %s", name, kind, rule)
				}
			}
			want := []string{"0.0.0.0/0 TCP 443", "::/0 TCP 443", "namespaces kube-system UDP 53", "namespaces kube-system TCP 53"}
			if strings.HasPrefix(name, "gke") { // the metadata server in both forms, and the two ways to a name
				want = append(want, "169.254.169.254/32 TCP 80", "169.254.169.254/32 TCP 8080", "169.254.169.254/32 UDP 53", "169.254.169.254/32 TCP 53",
					"169.254.169.252/32 TCP 987", "169.254.169.252/32 TCP 988", "169.254.20.10/32 UDP 53", "169.254.20.10/32 TCP 53")
			}
			slices.Sort(want)
			slices.Sort(out)
			if !slices.Equal(out, want) {
				t.Errorf("%s: %s reaches\n%q\nwant\n%q", name, kind, out, want)
			}
		}
	}
}

func TestRunsDoNotPileUp(t *testing.T) {
	for name, r := range renderings(t) {
		if strings.Contains(name, "scheduled") {
			d := one[*appsv1.Deployment](t, r)
			if *d.Spec.Replicas != 1 || d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
				t.Errorf("%s: two would run at once", name)
			}
			continue
		}
		c := one[*batchv1.CronJob](t, r)
		job := c.Spec.JobTemplate.Spec
		if len(c.Name) > 52 || c.Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent || *c.Spec.TimeZone != "Etc/UTC" {
			t.Errorf("%s: name %s, %s, %s", name, c.Name, c.Spec.ConcurrencyPolicy, *c.Spec.TimeZone)
		}
		if d := *c.Spec.StartingDeadlineSeconds; d < 60 || d > 200 {
			t.Errorf("%s: startingDeadlineSeconds %d", name, d)
		}
		if d := *job.ActiveDeadlineSeconds; d >= 300 || c.Spec.Schedule != "*/5 * * * *" {
			t.Errorf("%s: a run of %d s on schedule %s", name, d, c.Spec.Schedule)
		}
		if *job.BackoffLimit > 1 || job.TTLSecondsAfterFinished == nil || job.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
			t.Errorf("%s: backoff %d, restart policy %s", name, *job.BackoffLimit, job.Template.Spec.RestartPolicy)
		}
		first := job.PodFailurePolicy.Rules[0]
		if first.Action != batchv1.PodFailurePolicyActionFailJob || !slices.Contains(first.OnExitCodes.Values, 3) || *first.OnExitCodes.ContainerName != job.Template.Spec.Containers[0].Name {
			t.Errorf("%s: a run that the guard refused is tried again: %+v", name, first)
		}
	}
}

// A changed configuration must reach the pods.
func TestAChangedConfigurationIsANewConfigMap(t *testing.T) {
	before := one[*corev1.ConfigMap](t, render(t, "..", "overlays/gke"))
	tree := copyOf(t, "..")
	swap(t, tree+"/overlays/gke/edgewarden.yaml", "requests >= 3000", "requests >= 4000")
	after := render(t, tree, "overlays/gke")
	if c := one[*corev1.ConfigMap](t, after); c.Name == before.Name {
		t.Errorf("both are %s", c.Name)
	}
}

// What docs/kubernetes.md calls the places to change must be all of them.
func TestSettingsAreInTheFilesThatAreNamed(t *testing.T) {
	tree := copyOf(t, "..")
	for _, file := range []string{"settings.yaml", "edgewarden.yaml", "kustomization.yaml"} {
		path := tree + "/overlays/gke/" + file
		for {
			content := string(read(t, path))
			if !strings.Contains(content, "my-project") {
				break
			}
			swap(t, path, "my-project", "shop-prod")
		}
	}
	for _, doc := range render(t, tree, "overlays/gke") {
		if strings.Contains(string(doc), "my-project") {
			t.Errorf("my-project is left in\n%s", doc)
		}
	}
}

// The managed collector scrapes what listens.
func TestMetricsAreCollected(t *testing.T) {
	for name, r := range renderings(t) {
		if name == "local" {
			continue
		}
		found := all[*unstructured.Unstructured](t, r)
		if len(found) != 1 {
			t.Fatalf("%s: %d PodMonitorings", name, len(found))
		}
		match, _, err := unstructured.NestedStringMap(found[0].Object, "spec", "selector", "matchLabels")
		if err != nil {
			t.Fatal(err)
		}
		if !labels.SelectorFromSet(match).Matches(labelSet(one[*appsv1.StatefulSet](t, r).Spec.Template.Labels)) {
			t.Errorf("%s: the PodMonitoring selects nobody", name)
		}
	}
}
