package main

import (
	"bytes"
	"os"
	"testing"
)

func TestTheConstantsInTheTreeAreThoseGenerated(t *testing.T) {
	tree, err := os.ReadFile("../" + name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(tree, header()) {
		t.Fatalf("%s differs from the output of go generate", name)
	}
}
