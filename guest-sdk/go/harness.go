//go:build !wasip1

package edgemill

import (
	"fmt"
	"slices"
)

// Harness runs the module's transform natively, in ordinary tests, through the same columns as in the host.
type Harness struct {
	// Topic and Partition are those of all records.
	Topic     string
	Partition int32

	transform Transform
	outputs   Outputs
	offset    int64
}

// Input is a record to pass; the timestamp 0 is taken for none.
type Input struct {
	Key, Value []byte
	Headers    []Header
	Timestamp  int64
}

// Result is an output.
type Result struct {
	// Origin is the index of the record that it came of.
	Origin     int
	Key, Value []byte
	Headers    []Header
	// Timestamp is -1 where there is none.
	Timestamp int64
	// Topic is where it goes; empty is where the record was going.
	Topic string
}

// RejectResult is a record that was refused.
type RejectResult struct {
	Origin        int
	Code, Message string
}

// Results is what became of a batch.
type Results struct {
	Outputs []Result
	Rejects []RejectResult
	// Log is what was logged: "info: hello".
	Log []string
}

// Texts returns the outputs' values as texts.
func (r *Results) Texts() []string {
	texts := make([]string, len(r.Outputs))
	for index := range r.Outputs {
		texts[index] = string(r.Outputs[index].Value)
	}
	return texts
}

// NewHarness configures the transform that init named with JSON, as the host does.
func NewHarness(config string) (*Harness, error) {
	transform, err := configured([]byte(config))
	if err != nil {
		return nil, err
	}
	return &Harness{Topic: "topic", transform: transform}, nil
}

// RunTexts passes records that have only a value, in one batch.
func (h *Harness) RunTexts(values ...string) *Results {
	inputs := make([]Input, len(values))
	for index, value := range values {
		inputs[index].Value = []byte(value)
	}
	return h.Run(inputs...)
}

// Run passes records in one batch.
func (h *Harness) Run(inputs ...Input) *Results {
	logged = nil
	apply(h.transform, h.batch(inputs), &h.outputs)
	o, results := &h.outputs, &Results{Log: logged}
	for index, code := range texts(&o.codes) {
		results.Rejects = append(results.Rejects, RejectResult{int(o.rejectOrigins[index]), code, texts(&o.messages)[index]})
	}
	keys, values, names, headerValues := items(&o.keys), items(&o.values), items(&o.headerNames), items(&o.headerValues)
	for index, origin := range o.origins {
		input := &inputs[origin]
		result := Result{int(origin), input.Key, input.Value, input.Headers, timestampOf(input), ""}
		if o.touched&partKey != 0 {
			result.Key = keys[index]
		}
		if o.touched&partValue != 0 {
			result.Value = values[index]
		}
		if o.touched&partTimestamp != 0 {
			result.Timestamp = o.timestamps[index]
		}
		if o.touched&partHeaders != 0 {
			result.Headers = nil
			for range o.headerCounts[index] {
				result.Headers = append(result.Headers, Header{string(names[0]), headerValues[0]})
				names, headerValues = names[1:], headerValues[1:]
			}
		}
		if o.touched&partRoute != 0 && o.routes[index] != 0 {
			result.Topic = o.routeNames[o.routes[index]-1]
		}
		// as the host does
		if !slices.Contains(o.rejectOrigins, origin) {
			results.Outputs = append(results.Outputs, result)
		}
	}
	return results
}

func (h *Harness) batch(inputs []Input) *batch {
	made := &batch{topic: h.Topic, partition: h.Partition}
	var keys, values, names, headerValues gathered
	for index := range inputs {
		input := &inputs[index]
		keys.push(input.Key)
		values.push(input.Value)
		made.offsets = append(made.offsets, h.offset)
		h.offset++
		made.timestamps = append(made.timestamps, timestampOf(input))
		made.headerCounts = append(made.headerCounts, uint32(len(input.Headers)))
		for _, header := range input.Headers {
			names.pushText(header.Name)
			headerValues.push(header.Value)
		}
	}
	if len(names.lengths) == 0 {
		made.headerCounts = nil
	}
	made.keys, made.values, made.headerNames, made.headerValues = keys.column, values.column, names.column, headerValues.column
	return made
}

func timestampOf(input *Input) int64 {
	if input.Timestamp == 0 {
		return -1
	}
	return input.Timestamp
}

func items(column *gathered) [][]byte {
	var all [][]byte
	at := 0
	for index := range column.lengths {
		item := column.item(index, at)
		at += len(item)
		all = append(all, slices.Clone(item))
	}
	return all
}

func texts(column *gathered) []string {
	var all []string
	for _, item := range items(column) {
		all = append(all, string(item))
	}
	return all
}

var logged []string

func write(level Level, text string) { logged = append(logged, fmt.Sprintf("%v: %s", level, text)) }
