// Package kubernetes checks the manifests of deploy/kubernetes against the published types of Kubernetes, Pod
// Security "restricted", and the built program. It is a module of its own, because the product needs none of these
// libraries.
package kubernetes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// top is the directory of the product's go.mod.
const top = "../../../.."

// binary is the built program; TestMain sets it once, before any test runs.
var binary = filepath.Join(os.TempDir(), fmt.Sprintf("pandadoc-auth-proxy-manifests-%d", os.Getpid()))

func TestMain(m *testing.M) {
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = top
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		os.Exit(1)
	}
	status := m.Run()
	os.Remove(binary)
	os.Exit(status)
}

// object is one document of a manifest.
type object struct {
	file, kind string
	data       []byte
}

// objects returns every document of every directory, as kustomize makes them.
func objects(t *testing.T) (all []object) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(top, "deploy/kubernetes/*/kustomization.yaml"))
	if err != nil || len(dirs) < 5 {
		t.Fatalf("%d directories in deploy/kubernetes, %v", len(dirs), err)
	}
	for _, name := range dirs {
		dir := filepath.Dir(name)
		resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
		if err != nil {
			t.Errorf("%s: %v", dir, err)
			continue
		}
		for _, r := range resources.Resources() {
			text, err := r.AsYAML()
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, object{filepath.Base(dir), r.GetKind(), text})
		}
	}
	monitoring, err := os.ReadFile(filepath.Join(top, "deploy/kubernetes/shared/monitoring.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range bytes.Split(monitoring, []byte("\n---\n")) {
		all = append(all, object{"shared", regexp.MustCompile(`(?m)^kind: (\S+)`).FindStringSubmatch(string(text))[1], text})
	}
	return all
}

// into returns what a document of that kind is decoded into.
func into(kind string) any {
	switch kind {
	case "Deployment":
		return &appsv1.Deployment{}
	case "StatefulSet":
		return &appsv1.StatefulSet{}
	case "Job":
		return &batchv1.Job{}
	case "Service":
		return &corev1.Service{}
	case "ConfigMap":
		return &corev1.ConfigMap{}
	case "Secret":
		return &corev1.Secret{}
	case "ServiceAccount":
		return &corev1.ServiceAccount{}
	case "Role":
		return &rbacv1.Role{}
	case "RoleBinding":
		return &rbacv1.RoleBinding{}
	case "NetworkPolicy":
		return &networkingv1.NetworkPolicy{}
	case "PodDisruptionBudget":
		return &policyv1.PodDisruptionBudget{}
	case "ServiceMonitor", "PrometheusRule": // of the Prometheus operator, whose types would bring its whole client
		return &map[string]any{}
	}
	return nil
}

func TestEveryManifestHasOnlyFieldsThatKubernetesKnows(t *testing.T) {
	for _, o := range objects(t) {
		typ := into(o.kind)
		if typ == nil {
			t.Errorf("%s: no type for kind %s", o.file, o.kind)
			continue
		}
		if err := yaml.UnmarshalStrict(o.data, typ); err != nil {
			t.Errorf("%s %s: %v", o.file, o.kind, err)
		}
	}
	if err := yaml.UnmarshalStrict([]byte("apiVersion: v1\nkind: Secret\nmetdata: {name: x}\n"), into("Secret")); err == nil {
		t.Error("a misspelled field is not found")
	}
}

// pods returns the pod templates, by a name for messages.
func pods(t *testing.T) map[string]corev1.PodTemplateSpec {
	t.Helper()
	found := map[string]corev1.PodTemplateSpec{}
	for _, o := range objects(t) {
		typ := into(o.kind)
		if yaml.Unmarshal(o.data, typ) != nil {
			continue // another test checks these
		}
		switch x := typ.(type) {
		case *appsv1.Deployment:
			found[o.file+"/"+x.Name] = x.Spec.Template
		case *appsv1.StatefulSet:
			found[o.file+"/"+x.Name] = x.Spec.Template
		case *batchv1.Job:
			found[o.file+"/"+x.Name] = x.Spec.Template
		}
	}
	if len(found) < 4 {
		t.Fatalf("found %d pods, want at least 4", len(found))
	}
	return found
}

// Clusters that enforce the strictest level refused the first manifest.
func TestEveryPodIsAllowedByPodSecurityRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	refused := func(meta corev1.PodTemplateSpec) (reasons []string) {
		for _, r := range evaluator.EvaluatePod(level, &meta.ObjectMeta, &meta.Spec) {
			if !r.Allowed {
				reasons = append(reasons, r.ForbiddenReason+": "+r.ForbiddenDetail)
			}
		}
		return reasons
	}
	for name, pod := range pods(t) {
		for _, reason := range refused(pod) {
			t.Errorf("%s: %s", name, reason)
		}
	}
	if len(refused(corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "x"}}}})) == 0 {
		t.Error("a pod without any restriction is allowed: the check does not work")
	}
}

// proxies returns the containers of the proxy, in every list of the pod.
func proxies(pod corev1.PodTemplateSpec) (all []corev1.Container) {
	for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		if c.Image == "pandadoc-auth-proxy" {
			all = append(all, c)
		}
	}
	return all
}

// An application that has the token of the service account can read the login.
func TestOnlyTheProxyGetsTheServiceAccount(t *testing.T) {
	for name, pod := range pods(t) {
		ours := proxies(pod)
		mounted := pod.Spec.AutomountServiceAccountToken == nil || *pod.Spec.AutomountServiceAccountToken
		if others := len(pod.Spec.InitContainers) + len(pod.Spec.Containers) - len(ours); others > 0 && mounted {
			t.Errorf("%s: %d containers of others have the token", name, others)
		}
		own := slices.ContainsFunc(ours, func(c corev1.Container) bool {
			return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/var/run/secrets/kubernetes.io/serviceaccount" })
		})
		if pod.Spec.ServiceAccountName != "" && !mounted && !own {
			t.Errorf("%s: the proxy has no token", name)
		}
	}
}

func TestFlagsAndSettingsExistInTheProgram(t *testing.T) {
	help := command(t, "serve", "--help")
	known := func(flag string) bool { return strings.Contains(help, "--"+flag) }
	if !known("listen") || known("lisen") {
		t.Fatalf("the help does not list the flags:\n%s", help)
	}
	for name, pod := range pods(t) {
		for _, c := range proxies(pod) {
			for _, arg := range c.Args {
				flag, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
				if strings.HasPrefix(arg, "--") && !known(flag) {
					t.Errorf("%s: there is no flag --%s", name, flag)
				}
			}
			for _, e := range c.Env {
				setting, ours := strings.CutPrefix(e.Name, "PANDADOC_")
				if flag := strings.ToLower(strings.ReplaceAll(setting, "_", "-")); ours && !known(flag) {
					t.Errorf("%s: there is no setting %s", name, e.Name)
				}
			}
		}
	}
}

func TestProbesAskWhatTheProgramServes(t *testing.T) {
	for name, pod := range pods(t) {
		for _, c := range proxies(pod) {
			ports := map[string]bool{}
			for _, p := range c.Ports {
				ports[p.Name] = true
			}
			if c.StartupProbe == nil {
				t.Errorf("%s: there is no startup probe", name)
			}
			for kind, probe := range map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
				switch {
				case probe == nil:
				case probe.Exec != nil:
					if got := strings.Join(probe.Exec.Command, " "); got != "/pandadoc-auth-proxy healthcheck" {
						t.Errorf("%s: the %s probe runs %q", name, kind, got)
					}
				case probe.HTTPGet == nil:
					t.Errorf("%s: the %s probe asks nothing", name, kind)
				default:
					want := map[string]string{"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}[kind]
					if probe.HTTPGet.Path != want || !ports[probe.HTTPGet.Port.StrVal] {
						t.Errorf("%s: the %s probe asks %s of port %s, want %s of a named port", name, kind, probe.HTTPGet.Path, probe.HTTPGet.Port.String(), want)
					}
				}
			}
		}
	}
}

// After the grace period, the kubelet ends what is still running. So the period must be longer than the proxy's
// own drain.
func TestTheGracePeriodIsLongerThanTheDrain(t *testing.T) {
	for name, pod := range pods(t) {
		for _, c := range proxies(pod) {
			drain := 25
			for _, arg := range c.Args {
				var seconds int
				if n, _ := fmt.Sscanf(arg, "--drain-min=%ds", &seconds); n == 1 {
					drain += seconds
				}
			}
			if grace := pod.Spec.TerminationGracePeriodSeconds; grace == nil || *grace <= int64(drain) {
				t.Errorf("%s: the grace period is %v, want more than %d s", name, grace, drain)
			}
		}
	}
}

// The program itself checks the configuration in the ConfigMap.
func TestTheConfigurationOfTheSharedInstanceIsInOrder(t *testing.T) {
	checked := 0
	for _, o := range objects(t) {
		if o.kind != "ConfigMap" {
			continue
		}
		var m corev1.ConfigMap
		if err := yaml.Unmarshal(o.data, &m); err != nil {
			t.Fatal(err)
		}
		text := m.Data["pandadoc.yaml"]
		dir := t.TempDir()
		for _, secret := range regexp.MustCompile(`(?:/secrets|/client-keys)/[a-z-]+`).FindAllString(text, -1) {
			path := filepath.Join(dir, secret)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(strings.Repeat("0123456789abcdef", 4)), 0o600); err != nil {
				t.Fatal(err)
			}
			text = strings.ReplaceAll(text, secret, path)
		}
		config := filepath.Join(dir, "pandadoc.yaml")
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out := command(t, "doctor", "--config", config)
		line := regexp.MustCompile(`(?m)^\S+ +configuration .*$`).FindString(out)
		if !strings.HasPrefix(line, "ok") {
			t.Errorf("doctor says of the configuration of %s: %q\n%s", o.file, line, out)
		}
		checked++
	}
	if checked == 0 {
		t.Error("no ConfigMap was found")
	}
}

// The rules and the dashboard must only use metrics that exist. docs/metrics.md lists all metrics, and a test of
// internal/admin compares that page with the program.
func TestAlertsAndDashboardAskForMetricsThatExist(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(top, "docs/metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	metric := regexp.MustCompile(`pandadoc_proxy_[a-z_]+`)
	known := map[string]bool{}
	for _, name := range metric.FindAllString(string(page), -1) {
		for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
			known[name+suffix] = true
		}
	}
	for _, file := range []string{"deploy/kubernetes/shared/monitoring.yaml", "deploy/grafana/dashboard.json"} {
		text, err := os.ReadFile(filepath.Join(top, file))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, ".json") && !json.Valid(text) {
			t.Errorf("%s is not JSON", file)
		}
		asked := metric.FindAllString(string(text), -1)
		if len(asked) < 5 {
			t.Errorf("%s asks for %d metrics", file, len(asked))
		}
		for _, name := range asked {
			if !known[name] {
				t.Errorf("%s asks for %s, which docs/metrics.md does not list", file, name)
			}
		}
	}
}

// A pod that waits for a login is not ready. With Kubernetes' defaults its node could not be drained, and a corrected
// template did not replace it.
func TestAPodThatIsNotReadyHoldsUpNothing(t *testing.T) {
	seen := map[string]int{}
	for _, o := range objects(t) {
		switch kind := into(o.kind).(type) {
		case *appsv1.StatefulSet:
			if err := yaml.Unmarshal(o.data, kind); err != nil {
				t.Fatal(err)
			}
			if kind.Spec.PodManagementPolicy != appsv1.ParallelPodManagement {
				t.Errorf("%s: a pod that is not ready holds up its own update", o.file)
			}
		case *policyv1.PodDisruptionBudget:
			if err := yaml.Unmarshal(o.data, kind); err != nil {
				t.Fatal(err)
			}
			if p := kind.Spec.UnhealthyPodEvictionPolicy; p == nil || *p != policyv1.AlwaysAllow {
				t.Errorf("%s: a pod that is not ready cannot be evicted", o.file)
			}
		default:
			continue
		}
		seen[o.kind]++
	}
	if seen["StatefulSet"] < 2 || seen["PodDisruptionBudget"] < 1 {
		t.Errorf("got only %v", seen)
	}
}

// A proxy that crashes at its start, or is not scraped, made no rule fire: all of them ask for values of a proxy.
func TestEveryAlertIsExplainedAndOneIsForAProxyThatIsGone(t *testing.T) {
	rules, err := os.ReadFile(filepath.Join(top, "deploy/kubernetes/shared/monitoring.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(top, "docs/operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	var alerts, rows []string
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(string(rules), -1) {
		alerts = append(alerts, m[1])
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(PandaDoc\\w+)`").FindAllStringSubmatch(string(page), -1) {
		rows = append(rows, m[1])
	}
	if len(alerts) == 0 || !slices.Equal(alerts, rows) {
		t.Errorf("the rules have %q, and docs/operations.md explains %q", alerts, rows)
	}
	if !strings.Contains(string(rules), "expr: absent(") {
		t.Error("no rule is for a proxy that is gone")
	}
}

// command runs the program to its end. The exit status of doctor may be other than 0.
func command(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	out, _ := cmd.CombinedOutput()
	return string(out)
}
