package main

import (
	"testing"

	"edgemill"
)

func TestTextBecomesLoud(t *testing.T) {
	harness, err := edgemill.NewHarness(`{"mark":"?"}`)
	if err != nil {
		t.Fatal(err)
	}
	results := harness.RunTexts("hello", "")
	if texts := results.Texts(); len(texts) != 1 || texts[0] != "HELLO?" {
		t.Error(texts)
	}
	if len(results.Rejects) != 1 || results.Rejects[0].Code != "empty" {
		t.Error(results.Rejects)
	}
}
