// Registers a schema and gives values its frame; a value that has one loses it, and says what its schema is. As `examples/registry.rs` of
// ../../redpanda, without the words that ask for something else.
package main

import (
	"encoding/binary"
	"os"
	"strconv"

	"github.com/redpanda-data/redpanda/src/transform-sdk/go/transform"
	"github.com/redpanda-data/redpanda/src/transform-sdk/go/transform/sr"
)

const schema = `{"type":"record","name":"Word","fields":[{"name":"word","type":"string"}]}`

// Without the SDK's cache: that of 1.1.0 keeps failures, and no schema.
var client = sr.NewClient(sr.MaxCacheEntries(0))

func main() {
	transform.OnRecordWritten(frame)
}

func frame(event transform.WriteEvent, writer transform.RecordWriter) error {
	record := event.Record()
	subject := os.Getenv("SUBJECT")
	if string(record.Value) == "latest" {
		latest, err := client.LookupSchemaByVersion(subject, -1)
		if err != nil {
			return err
		}
		record.Value = []byte(strconv.Itoa(latest.Version) + " " + latest.Schema.Schema)
		return writer.Write(record)
	}
	if id, err := sr.ExtractID(record.Value); err == nil {
		found, err := client.LookupSchemaById(id)
		if err != nil {
			return err
		}
		record.Value = append([]byte(found.Schema+" "), record.Value[5:]...)
		return writer.Write(record)
	}
	created, err := client.CreateSchema(subject, sr.Schema{Schema: schema, Type: sr.TypeAvro})
	if err != nil {
		return err
	}
	framed := binary.BigEndian.AppendUint32([]byte{0}, uint32(created.ID))
	record.Value = append(framed, record.Value...)
	return writer.Write(record)
}
