package main

import (
	"slices"
	"testing"

	"edgemill"
)

func TestItRunsWithoutWasm(t *testing.T) {
	harness, err := edgemill.NewHarness(`{"mark":"m"}`)
	if err != nil {
		t.Fatal(err)
	}
	results := harness.RunTexts("a", "!mark", "!drop", "!reject c why", "!many 2", "!log info hello")
	if texts := results.Texts(); !slices.Equal(texts, []string{"a", "m", "0", "1", "!log info hello"}) {
		t.Error(texts)
	}
	if len(results.Rejects) != 1 || results.Rejects[0].Code != "c" || results.Rejects[0].Message != "why" {
		t.Error(results.Rejects)
	}
	if !slices.Equal(results.Log, []string{"info: hello"}) {
		t.Error(results.Log)
	}
	if _, err := edgemill.NewHarness(`{"mark":"m","limit":0}`); err == nil || err.Error() != "limit must be above 0" {
		t.Error(err)
	}
}
