// The conformance transform in Go: see guest-sdk/conformance/README.md.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"edgemill"
)

type config struct {
	Mark  *string `json:"mark"`
	Limit *int64  `json:"limit"`
}

type conformance struct {
	mark  string
	limit int64
}

func init() {
	edgemill.Configure(func(given *config) (edgemill.Transform, error) {
		made := &conformance{mark: "none", limit: 100}
		if given == nil {
			return made, nil
		}
		if given.Mark == nil {
			return nil, errors.New("the configuration has no mark")
		}
		made.mark = *given.Mark
		if given.Limit != nil {
			made.limit = *given.Limit
		}
		if made.limit <= 0 {
			return nil, errors.New("limit must be above 0")
		}
		return made, nil
	})
}

func main() {}

func (c *conformance) Transform(record *edgemill.Record, out *edgemill.Outputs) error {
	command, ok := bytes.CutPrefix(record.Value, []byte("!"))
	if !ok {
		out.Keep()
		return nil
	}
	word, rest := split(command)
	switch string(word) {
	case "keep":
		out.Keep()
	case "drop":
	case "value":
		out.Emit().SetValue(rest)
	case "null":
		out.Emit().SetValue(nil)
	case "key":
		out.Emit().SetKey(rest)
	case "nokey":
		out.Emit().SetKey(nil)
	case "time":
		number, err := strconv.ParseInt(string(rest), 10, 64)
		if err != nil {
			return err
		}
		out.Emit().SetTimestamp(number)
	case "header":
		name, value := split(rest)
		out.Emit().AddHeader(string(name), value)
	case "nullheader":
		out.Emit().AddHeader(string(rest), nil)
	case "unheader":
		out.Emit().RemoveHeader(string(rest))
	case "route":
		out.Emit().SetRoute(string(rest))
	case "twice":
		out.Keep()
		out.Emit().SetText("again")
	case "many":
		return c.many(rest, out)
	case "long":
		number, err := strconv.Atoi(string(rest))
		if err != nil {
			return err
		}
		out.Emit().SetValue(bytes.Repeat([]byte("x"), number))
	case "all":
		out.Emit().SetKey([]byte("k")).SetValue(rest).SetTimestamp(7).AddHeader("h", []byte("v")).SetRoute("audit")
	case "reject":
		return reject(rest)
	case "late":
		out.Keep()
		return reject(rest)
	case "log":
		name, message := split(rest)
		for level := edgemill.Trace; level <= edgemill.Error; level++ {
			if level.String() == string(name) {
				edgemill.Log(level, "%s", message)
			}
		}
		out.Keep()
	case "tell":
		tell(record, out.Emit())
	case "headers":
		output := out.Emit().SetText("")
		comma := ""
		for header := range record.Headers() {
			fmt.Fprintf(output, "%s%s=%s", comma, header.Name, orDash(header.Value))
			comma = ","
		}
	case "last":
		header, ok := record.Header(string(rest))
		if !ok {
			return edgemill.Reject("no-header", "there is no header %s", rest)
		}
		out.Emit().SetValue(header.Value)
	case "mark":
		out.Emit().SetText(c.mark)
	case "trap":
		panic("as it was told")
	case "loop":
		for {
		}
	case "grow":
		for all := [][]byte(nil); ; {
			all = append(all, make([]byte, 1<<20))
		}
	default:
		return edgemill.Reject("unknown-command", "%s", word)
	}
	return nil
}

func (c *conformance) many(rest []byte, out *edgemill.Outputs) error {
	count, err := strconv.ParseInt(string(rest), 10, 64)
	if err != nil {
		return err
	}
	if count > c.limit {
		return edgemill.Reject("too-many", "%d is over the limit of %d", count, c.limit)
	}
	for index := range count {
		out.Emit().SetText(strconv.FormatInt(index, 10))
	}
	return nil
}

func tell(record *edgemill.Record, output *edgemill.Output) {
	timestamp := "-"
	if record.Timestamp != -1 {
		timestamp = strconv.FormatInt(record.Timestamp, 10)
	}
	fmt.Fprintf(output, "%s %d %d %s %s", record.Topic, record.Partition, record.Offset, timestamp, orDash(record.Key))
}

func orDash(value []byte) []byte {
	if value == nil {
		return []byte("-")
	}
	return value
}

// split returns what stands before the first space, and behind it.
func split(text []byte) (before, behind []byte) {
	before, behind, _ = bytes.Cut(text, []byte(" "))
	if behind == nil {
		behind = []byte{}
	}
	return before, behind
}

func reject(rest []byte) error {
	code, message := split(rest)
	return edgemill.Reject(string(code), "%s", message)
}
