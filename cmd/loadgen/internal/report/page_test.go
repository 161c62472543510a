package report_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cluster"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/compare"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/node"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/sweep"
)

func TestThePageHoldsTheResultAndLoadsNothing(t *testing.T) {
	r := &node.Result{Stage: node.StageRun}
	r.Mode, r.Problems = "node", []string{"</script><script>alert(1)</script>"}
	b, err := report.Page(r.Title(), r)
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	m := regexp.MustCompile(`(?m)^const result = (\{.*\});$`).FindStringSubmatch(page)
	if m == nil {
		t.Fatal("no result in the page")
	}
	var back node.Result
	if err := json.Unmarshal([]byte(m[1]), &back); err != nil || back.Problems[0] != r.Problems[0] {
		t.Errorf("%v: %+v", err, back.Problems)
	}
	if strings.Contains(page, "</script><script>alert") {
		t.Error("a problem's text ends the script")
	}
	if foreign := regexp.MustCompile(`(?i)(src|href)\s*=\s*["']?(https?:)?//|@import|url\(["']?https?:|fetch\(|XMLHttpRequest|<link rel="stylesheet"`).FindString(page); foreign != "" {
		t.Errorf("the page loads something: %q", foreign)
	}
}

// keysOf adds the keys of a type's JSON form.
func keysOf(t reflect.Type, keys map[string]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		keysOf(t.Elem(), keys)
	case reflect.Struct:
		for i := range t.NumField() {
			if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" {
				keys[name] = true
			}
			keysOf(t.Field(i).Type, keys)
		}
	}
}

func TestEveryKeyThatThePageReadsIsWritten(t *testing.T) {
	keys := make(map[string]bool)
	for _, r := range []any{&cluster.Result{}, &node.Result{}, &sweep.Result{}, &compare.Result{}} {
		keysOf(reflect.TypeOf(r), keys)
	}
	script := pageScriptForTest(t)
	measured := (&node.Result{}).Measures()
	read := regexp.MustCompile(`\.([a-z0-9]+(?:_[a-z0-9]+)+)\b|of\("([a-z0-9_]+)"\)`).FindAllStringSubmatch(script, -1)
	if len(read) < 60 {
		t.Fatalf("only %d keys found in the script", len(read))
	}
	for _, m := range read {
		if key := m[1] + m[2]; !keys[key] {
			t.Errorf("the page reads %s, which no result has", key)
		}
	}
	for name := range measured {
		if !regexp.MustCompile(`\b` + name + `: "`).MatchString(script) {
			t.Errorf("the page has no name for the measure %s", name)
		}
	}
}

func pageScriptForTest(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("page", "page.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
