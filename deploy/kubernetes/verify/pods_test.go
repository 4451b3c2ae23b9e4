package verify_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// pods are the pod templates of a rendering, by the kind that makes them.
func pods(t *testing.T, r rendering) map[string]corev1.PodTemplateSpec {
	t.Helper()
	found := map[string]corev1.PodTemplateSpec{}
	for _, o := range all[*appsv1.StatefulSet](t, r) {
		found["StatefulSet"] = o.Spec.Template
	}
	for _, o := range all[*appsv1.Deployment](t, r) {
		found["Deployment"] = o.Spec.Template
	}
	for _, o := range all[*batchv1.CronJob](t, r) {
		found["CronJob"] = o.Spec.JobTemplate.Spec.Template
	}
	if len(found) != 2 {
		t.Fatalf("%d pod templates, want ingest and blocker", len(found))
	}
	return found
}

// restricted says why the namespace would refuse a pod; empty when it would not.
func restricted(t *testing.T, p corev1.PodTemplateSpec) string {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &p.ObjectMeta, &p.Spec))
	return result.ForbiddenDetail()
}

func TestPodsKeepToTheRestrictedProfile(t *testing.T) {
	for name, r := range renderings(t) {
		ns := one[*corev1.Namespace](t, r)
		if ns.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
			t.Errorf("%s: the namespace enforces %q", name, ns.Labels["pod-security.kubernetes.io/enforce"])
		}
		for kind, p := range pods(t, r) {
			if why := restricted(t, p); why != "" {
				t.Errorf("%s: %s: %s", name, kind, why)
			}
			p.Spec.SecurityContext.RunAsNonRoot = nil
			if restricted(t, p) == "" {
				t.Error("a pod that may run as root passes: this test cannot fail")
			}
		}
	}
}

func TestContainersAreBounded(t *testing.T) {
	for name, r := range renderings(t) {
		for kind, p := range pods(t, r) {
			if len(p.Spec.Containers) != 1 {
				t.Fatalf("%s: %s has %d containers", name, kind, len(p.Spec.Containers))
			}
			c := p.Spec.Containers[0]
			if s := c.SecurityContext; s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
				t.Errorf("%s: %s writes to its root", name, kind)
			}
			if p.Spec.AutomountServiceAccountToken == nil || *p.Spec.AutomountServiceAccountToken {
				t.Errorf("%s: %s gets a token of the cluster that it does not need", name, kind)
			}
			limit := c.Resources.Limits[corev1.ResourceMemory]
			if limit.IsZero() || c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() {
				t.Errorf("%s: %s lacks requests or a limit of memory", name, kind)
			}
			if _, cpu := c.Resources.Limits[corev1.ResourceCPU]; cpu {
				t.Errorf("%s: %s has a limit of CPU: a throttled reader loses lines", name, kind)
			}
			checkEnvironment(t, name+": "+kind, c, limit.Value())
		}
	}
}

// checkEnvironment: secrets by reference, and a soft limit of memory below the hard one.
func checkEnvironment(t *testing.T, what string, c corev1.Container, limit int64) {
	t.Helper()
	secret := regexp.MustCompile(`TOKEN|SECRET|PASSWORD|CREDENTIALS|KEY`)
	soft := int64(0)
	for _, e := range c.Env {
		if secret.MatchString(e.Name) && (e.Value != "" || e.ValueFrom == nil || e.ValueFrom.SecretKeyRef == nil) {
			t.Errorf("%s: %s is no reference to a Secret", what, e.Name)
		}
		if e.Name == "GOMEMLIMIT" {
			q := parse(t, strings.TrimSuffix(e.Value, "B"))
			soft = q.Value()
		}
	}
	if soft == 0 || soft > limit*9/10 {
		t.Errorf("%s: GOMEMLIMIT is %d, the limit %d", what, soft, limit)
	}
}

// A flag that the program does not have ends the pod at once.
func TestEveryFlagExists(t *testing.T) {
	page, err := os.ReadFile("../../../docs/flags.md")
	if err != nil {
		t.Fatal(err)
	}
	section := func(command string) string {
		_, text, _ := strings.Cut(string(page), "\n## "+command+"\n")
		text, _, _ = strings.Cut(text, "\n## ")
		return text
	}
	known := map[string]string{"StatefulSet": section("ingest serve"), "CronJob": section("blocker run"), "Deployment": section("blocker run")}
	secrets := map[string]bool{"EDGEWARDEN_NOTIFY_URL": true} // which have no flag
	flag := regexp.MustCompile(`^--[a-z-]+`)
	for name, r := range renderings(t) {
		for kind, p := range pods(t, r) {
			if len(known[kind]) < 1000 {
				t.Fatalf("no flags of %s in docs/flags.md", kind)
			}
			for _, arg := range p.Spec.Containers[0].Args[1:] {
				f := flag.FindString(arg)
				if f == "" || !regexp.MustCompile(f+`[= \n]`).MatchString(known[kind]) {
					t.Errorf("%s: %s: there is no flag %s", name, kind, arg)
				}
			}
			for _, e := range p.Spec.Containers[0].Env {
				name, ours := strings.CutPrefix(e.Name, "EDGEWARDEN_")
				if ours && !(secrets[e.Name] && e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil) && !strings.Contains(known[kind], "--"+strings.ToLower(strings.ReplaceAll(name, "_", "-"))) {
					t.Errorf("%s is no variable of %s", e.Name, kind)
				}
			}
		}
	}
}

func TestPodsHaveAllTheyMount(t *testing.T) {
	for name, r := range renderings(t) {
		claims, configs := map[string]bool{}, map[string]bool{}
		for _, c := range all[*corev1.PersistentVolumeClaim](t, r) {
			claims[c.Name] = true
		}
		for _, s := range all[*appsv1.StatefulSet](t, r) {
			for _, c := range s.Spec.VolumeClaimTemplates {
				claims[c.Name+"-"+s.Name+"-0"] = true
			}
		}
		for _, c := range all[*corev1.ConfigMap](t, r) {
			configs[c.Name] = true
		}
		for kind, p := range pods(t, r) {
			for _, v := range p.Spec.Volumes {
				switch {
				case v.PersistentVolumeClaim != nil && !claims[v.PersistentVolumeClaim.ClaimName]:
					t.Errorf("%s: %s mounts claim %s, which nobody makes", name, kind, v.PersistentVolumeClaim.ClaimName)
				case v.ConfigMap != nil && !configs[v.ConfigMap.Name]:
					t.Errorf("%s: %s mounts ConfigMap %s, which nobody makes", name, kind, v.ConfigMap.Name)
				case v.EmptyDir != nil && v.Name != "spill":
					t.Errorf("%s: %s keeps %s in an emptyDir, which goes with the pod", name, kind, v.Name)
				case v.EmptyDir != nil && (v.EmptyDir.Medium != corev1.StorageMediumDefault || v.EmptyDir.SizeLimit == nil):
					t.Errorf("%s: %s spills to memory, or without a limit", name, kind)
				}
			}
			if c := p.Spec.Containers[0]; kind != "StatefulSet" && !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
				return m.Name == "spill" && m.MountPath == "/tmp" && !m.ReadOnly
			}) {
				t.Errorf("%s: %s has a read-only root and no /tmp, where a query over a large lake spills to", name, kind)
			}
		}
	}
}

func selects(t *testing.T, s metav1.LabelSelector, labels map[string]string) bool {
	t.Helper()
	sel, err := metav1.LabelSelectorAsSelector(&s)
	if err != nil {
		t.Fatal(err)
	}
	return sel.Matches(labelSet(labels))
}
