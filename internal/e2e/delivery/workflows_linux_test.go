package delivery

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// workflow is the part of a workflow that the tests look at.
type workflow struct {
	Permissions map[string]string
	Jobs        map[string]struct {
		Permissions map[string]string
		Steps       []struct {
			ID, Run string
		}
	}
}

func readWorkflow(t *testing.T, name string) (w workflow, text string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(top(t), ".github/workflows", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, &w); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return w, string(data)
}

// step runs a step of a job as a runner would, in dir, and returns its outputs.
func (w workflow) step(t *testing.T, job, id, dir, tag string) (outputs string, err error) {
	t.Helper()
	for _, s := range w.Jobs[job].Steps {
		if s.ID != id {
			continue
		}
		file := filepath.Join(dir, "outputs")
		cmd := exec.Command("bash", "-eo", "pipefail", "-c", s.Run)
		cmd.Dir = dir
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "GITHUB_OUTPUT=" + file, "RUNNER_TEMP=" + dir,
			"GITHUB_REF_NAME=" + tag, "GITHUB_REPOSITORY=Acme-Corp/PandaDoc-Proxy",
		}
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		data, _ := os.ReadFile(file)
		return string(data), err
	}
	t.Fatalf("%s has no step %s", job, id)
	return "", nil
}

// Who can move a tag of an action could act with the rights of the release.
func TestWorkflowsPinActionsAndHaveFewRights(t *testing.T) {
	for _, name := range []string{"release.yml", "test.yml"} {
		w, text := readWorkflow(t, name)
		pinned := regexp.MustCompile(`uses: \S+@[0-9a-f]{40} # v\d+\.\d+\.\d+\n`).FindAllString(text, -1)
		if n := strings.Count(text, "uses: "); n == 0 || len(pinned) != n {
			t.Errorf("%s: %d of %d actions are pinned to a commit", name, len(pinned), n)
		}
		for right, value := range w.Permissions {
			if value == "write" {
				t.Errorf("%s: every job may write %s", name, right)
			}
		}
		for job, j := range w.Jobs {
			image := j.Permissions["packages"] == "write"
			if image && j.Permissions["contents"] == "write" {
				t.Errorf("%s: %s may write both packages and contents", name, job)
			}
		}
	}
}

// A registry refuses the name Acme-Corp/PandaDoc-Proxy.
func TestTheReleasedImageHasANameThatRegistriesTake(t *testing.T) {
	need(t, "bash")
	w, text := readWorkflow(t, "release.yml")
	outputs, err := w.step(t, "image", "name", t.TempDir(), "v1.2.3")
	if want := "version=1.2.3\nimage=ghcr.io/acme-corp/pandadoc-proxy:1.2.3\n"; err != nil || outputs != want {
		t.Errorf("got %q (%v), want %q", outputs, err, want)
	}
	if strings.Contains(text, "github.repository }") {
		t.Error("the name of the repository is used as it is")
	}
}

// The notes were the message of the tag, which need not have one.
func TestTheNotesOfAReleaseAreItsSectionOfTheChangelog(t *testing.T) {
	need(t, "bash", "awk")
	w, _ := readWorkflow(t, "release.yml")
	for _, row := range []struct{ name, tag, want string }{
		{"a version", "v0.2.0", "\n### Added\n\n- two\n\n"},
		{"the last one", "v0.1.0", "\n- one\n"},
		{"a version that begins like another", "v0.2", ""},
		{"a version without a section", "v9.9.9", ""},
	} {
		dir := t.TempDir()
		changelog := "# Changelog\n\n## [Unreleased]\n\n- three\n\n## [0.2.0] - 2026-01-02\n\n### Added\n\n- two\n\n## [0.1.0] - 2026-01-01\n\n- one\n"
		if err := os.WriteFile(filepath.Join(dir, "CHANGELOG.md"), []byte(changelog), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := w.step(t, "release", "notes", dir, row.tag)
		got, _ := os.ReadFile(filepath.Join(dir, "notes"))
		if string(got) != row.want || (err != nil) != (row.want == "") {
			t.Errorf("%s: got %q (%v), want %q", row.name, got, err, row.want)
		}
	}
}

// sudo has a PATH of its own, in which the Go of the step before is missing.
func TestTheTestsRunWithTheGoOfTheWorkflow(t *testing.T) {
	w, _ := readWorkflow(t, "test.yml")
	for name, job := range w.Jobs {
		for _, s := range job.Steps {
			if strings.Contains(s.Run, "sudo ") && !strings.Contains(s.Run, `sudo env "PATH=$PATH" `) {
				t.Errorf("%s: %q", name, s.Run)
			}
		}
	}
}
