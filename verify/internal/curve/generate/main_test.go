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
		t.Fatalf("%s is not what go generate writes", name)
	}
}
