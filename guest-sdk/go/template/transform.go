// Makes the text of every record loud. A place to begin: change it into what you need.
package main

import (
	"bytes"

	"edgemill"
)

// What stands in the pipeline's configuration: config = { mark = "!" }
type config struct {
	Mark string `json:"mark"`
}

type loud struct{ mark []byte }

func init() {
	edgemill.Configure(func(given *config) (edgemill.Transform, error) {
		if given == nil || given.Mark == "" {
			return &loud{[]byte("!")}, nil
		}
		return &loud{[]byte(given.Mark)}, nil
	})
}

func main() {}

func (l *loud) Transform(record *edgemill.Record, out *edgemill.Outputs) error {
	if record.Value == nil {
		out.Keep()
		return nil
	}
	if len(record.Value) == 0 {
		return edgemill.Reject("empty", "the value is empty")
	}
	out.Emit().SetValue(append(bytes.ToUpper(record.Value), l.mark...))
	return nil
}
