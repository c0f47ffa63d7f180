// Package edgemill is for writing Edgemill transforms in Go: a function over one record at a time.
//
//	package main
//
//	import (
//		"bytes"
//		"edgemill"
//	)
//
//	func init() {
//		edgemill.Run(func(record *edgemill.Record, out *edgemill.Outputs) error {
//			if record.Value == nil {
//				out.Keep()
//				return nil
//			}
//			out.Emit().SetValue(bytes.ToUpper(record.Value))
//			return nil
//		})
//	}
//
//	func main() {}
//
// A record that leaves no output is dropped on purpose. What is not set on an output stays as the record has it. The host
// may give the same record again after a fault, so a transform must not mind. docs/guests/go.md goes from a file to a
// running transform.
package edgemill

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Transform is a transform with state. An error rejects the record: one made by [Reject] by its code, any other by the
// code "error". A panic is a fault of the record, which meets the pipeline's policy.
type Transform interface {
	Transform(record *Record, out *Outputs) error
}

// Func is a transform without state.
type Func func(record *Record, out *Outputs) error

// Transform calls the function.
func (f Func) Transform(record *Record, out *Outputs) error { return f(record, out) }

// Rejected is the error by which a record is refused with a code of the transform's own.
type Rejected struct {
	// Code is a short word, for metrics and for filtering dead letters.
	Code string
	// Message is for a person.
	Message string
}

func (r *Rejected) Error() string { return r.Code + ": " + r.Message }

// Reject makes the error that refuses a record: what it gave is withheld.
func Reject(code, format string, arguments ...any) error {
	return &Rejected{Code: code, Message: fmt.Sprintf(format, arguments...)}
}

var configure func(config []byte) (Transform, error)

// Run names the module's transform. It is to be called from init: main does not run.
func Run(transform Func) {
	configure = func([]byte) (Transform, error) { return transform, nil }
}

// Configure names the function that makes the module's transform of its configuration. It is to be called from init: main
// does not run. The chain's config arrives as the function's type, read by encoding/json; null, as a chain without config
// has, is a pointer's nil. A field that the type does not have, and an error, keep the module from being deployed, with its message.
func Configure[C any](make func(config C) (Transform, error)) {
	configure = func(text []byte) (Transform, error) {
		var config C
		err := json.Unmarshal(text, new(any))
		if err == nil {
			// a misspelt field would be a default in silence
			fields := json.NewDecoder(bytes.NewReader(text))
			fields.DisallowUnknownFields()
			err = fields.Decode(&config)
		}
		if err != nil {
			return nil, fmt.Errorf("the configuration does not fit: %w", err)
		}
		return make(config)
	}
}

func configured(text []byte) (Transform, error) {
	if configure == nil {
		return nil, errors.New("the module names no transform: call edgemill.Run or edgemill.Configure from init")
	}
	return configure(text)
}

// apply passes a batch, and gathers what comes of it.
func apply(transform Transform, batch *batch, out *Outputs) {
	out.start(batch)
	var record Record
	for out.at.index < len(batch.offsets) {
		batch.record(&out.at, &record)
		if err := transform.Transform(&record, out); err != nil {
			out.reject(err)
		}
		out.finish()
		out.at.advance(batch)
	}
}
