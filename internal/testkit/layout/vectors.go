package layout

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// Case is a vector, in the format of wire/testdata/vectors.
type Case struct {
	Name    string         `json:"name"`
	Type    string         `json:"type"`
	Encoded string         `json:"encoded"`
	Decode  string         `json:"decode"` // ok or error
	Fields  map[string]any `json:"fields"` // nil: not given
	Cuts    string         `json:"cuts"`   // error: no proper prefix is a message
	Tail    int            `json:"tail"`   // number of bytes that a later version added
}

// ReadCases reads a file of vectors; there is at least one.
func ReadCases(file string) ([]Case, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var content struct {
		Source string `json:"source"`
		Cases  []Case `json:"cases"`
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode(&content); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(content.Cases) == 0 {
		return nil, fmt.Errorf("%s: no cases", file)
	}
	return content.Cases, nil
}

// Same compares fields with those of a case, which has numbers as text.
func Same(got, want any) bool {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for k := range w {
			if !Same(g[k], w[k]) {
				return false
			}
		}
		return true
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range w {
			if !Same(g[i], w[i]) {
				return false
			}
		}
		return true
	}
	return fmt.Sprint(got) == fmt.Sprint(want)
}
