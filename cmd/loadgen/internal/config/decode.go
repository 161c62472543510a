package config

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// decode reads one JSON object strictly.
func decode(b []byte, into any) error {
	if err := checkNames(b); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object")
	}
	return nil
}

// checkNames refuses objects in which a name occurs twice, and names whose letter case differs from
// ours: encoding/json accepts both.
func checkNames(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	type level struct {
		names map[string]bool // nil in an array
		name  string          // name of the next value, "" if a name comes next
	}
	var open []level
	path := func() string {
		var parts []string
		for _, l := range open {
			if l.name != "" {
				parts = append(parts, l.name)
			}
		}
		return strings.Join(parts, ".")
	}
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is no JSON: %w", err)
		}
		delimiter, isDelimiter := t.(json.Delim)
		if isDelimiter && (delimiter == '}' || delimiter == ']') {
			open = open[:len(open)-1]
		} else if n := len(open); n > 0 && open[n-1].names != nil && open[n-1].name == "" {
			name, _ := t.(string) // a name is always a string
			open[n-1].name = name
			switch {
			case name == "" || name != strings.ToLower(name):
				return fmt.Errorf("unknown field %q", name)
			case open[n-1].names[name]:
				return fmt.Errorf("the field %s stands twice", path())
			}
			open[n-1].names[name] = true
			continue
		} else if isDelimiter {
			l := level{}
			if delimiter == '{' {
				l.names = make(map[string]bool)
			}
			open = append(open, l)
			continue
		}
		// A value is complete.
		if n := len(open); n > 0 && open[n-1].names != nil {
			open[n-1].name = ""
		}
	}
}

// Duration is a time.Duration that is written like 20ms.
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// Hex is bytes that are written in hexadecimal digits.
type Hex []byte

// MarshalText implements encoding.TextMarshaler.
func (h Hex) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hex) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}
