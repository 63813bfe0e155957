package daemon

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// An auditor draws samples of a pack again by the published program, and one of
// his own by a nonce; the program of this project and the published one agree.
func TestSamplesOfAPack(t *testing.T) {
	_, b, _ := makePackBytes(t)
	file := filepath.Join(t.TempDir(), "pack.zip")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	redraw := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "python3", append([]string{"../../../testdata/vectors/redraw.py"}, args...)...).CombinedOutput()
		if err != nil {
			t.Errorf("redraw.py %s: %v\n%s", args[1:], err, out)
		}
		return string(out)
	}
	if out := redraw(file); !strings.Contains(out, "all drawn again") || strings.HasPrefix(out, "0 ") {
		t.Errorf("redraw.py says %q", out)
	}
	text, code := audit(t, file)
	if code != 0 || !strings.Contains(text, "all drawn again; seed under the operator's control") {
		t.Errorf("exit %d:\n%s", code, text)
	}
	const control, test = "dora-art-9-4-e", "chg-approved"
	text, code = audit(t, file, "--sample", control+"/"+test, "--nonce", "chosen by the auditor", "--size", "7")
	if code != 0 || !strings.Contains(text, "seed from the closing checkpoint and a nonce of the auditor") {
		t.Fatalf("exit %d:\n%s", code, text)
	}
	records := regexp.MustCompile(`record ([0-9,]+)  `)
	drawn := func(text string) (list []string) {
		for _, m := range records.FindAllStringSubmatch(text, -1) {
			list = append(list, strings.ReplaceAll(m[1], ",", ""))
		}
		return list
	}
	_, own, _ := strings.Cut(text, "\nsample")
	ours, theirs := drawn(own), drawn(redraw(file, control, test, "7", "chosen by the auditor"))
	if len(ours) != 7 || strings.Join(ours, " ") != strings.Join(theirs, " ") {
		t.Errorf("drawn %v here and %v there", ours, theirs)
	}
	text, code = audit(t, file, "--sample", control+"/"+test, "--items", ours[2]+","+ours[0])
	if _, own, _ = strings.Cut(text, "\nsample"); code != 0 || len(drawn(own)) != 2 {
		t.Errorf("a list of the auditor's own: exit %d:\n%s", code, text)
	}
	for _, args := range [][]string{
		{"--sample", control, "--nonce", "x"}, {"--sample", control + "/" + test}, {"--nonce", "x"},
		{"--sample", control + "/" + test, "--nonce", "x", "--items", "1"}, {"--sample", control + "/" + test, "--items", "1,b"},
		{"--sample", control + "/" + test, "--nonce", "x", "--size", "-1"},
	} {
		if text, code := audit(t, append([]string{file}, args...)...); code != 64 {
			t.Errorf("%v: exit %d, want 64:\n%s", args, code, text)
		}
	}
	if text, code := audit(t, file, "--sample", "no-such/thing", "--nonce", "x"); code != 2 || !strings.Contains(text, "no finding") {
		t.Errorf("a finding that is not there: exit %d:\n%s", code, text)
	}
}
