// Upper case, with the clock in a header; some words misbehave, each after it has written. As `examples/work.rs` of ../redpanda.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/redpanda-data/redpanda/src/transform-sdk/go/transform"
)

func main() {
	fmt.Println("transforms", os.Getenv("REDPANDA_INPUT_TOPIC"))
	transform.OnRecordWritten(work)
}

var all [][]byte

func work(event transform.WriteEvent, writer transform.RecordWriter) error {
	record := event.Record()
	if record.Value == nil {
		return writer.Write(record)
	}
	word := string(record.Value)
	record.Value = append([]byte(os.Getenv("MARK")), bytes.ToUpper(record.Value)...)
	now := strconv.FormatInt(time.Now().UnixMilli(), 10)
	record.Headers = append(record.Headers, transform.RecordHeader{Key: []byte("now"), Value: []byte(now)})
	second := transform.ToTopic(os.Getenv("REDPANDA_OUTPUT_TOPIC_1"))
	switch word {
	case "drop":
		return nil
	case "late":
		return writer.Write(record, second)
	case "both":
		if err := writer.Write(record, second); err != nil {
			return err
		}
	case "stray":
		if err := writer.Write(record, transform.ToTopic("nowhere")); err != nil {
			return err
		}
	}
	if err := writer.Write(record); err != nil {
		return err
	}
	switch word {
	case "panic":
		panic("asked to")
	case "refuse":
		return errors.New("this one not")
	case "exit":
		os.Exit(0)
	case "loop":
		for {
		}
	case "hog":
		for {
			all = append(all, bytes.Repeat([]byte{1}, 1<<20))
		}
	}
	return nil
}
