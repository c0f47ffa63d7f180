package edgemill

import (
	"encoding/json"
	"errors"
	"iter"
	"time"
)

// Record is borrowed from the host's batch until the transform returns: copy what is to live longer. Bytes are nil where they
// are Kafka's null, and not nil where they are empty.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	// Timestamp is in milliseconds since 1970-01-01 UTC; -1 where there is none.
	Timestamp int64
	Key       []byte
	Value     []byte

	batch *batch
	at    cursor
}

// Header is a header of a record; its value is nil where it is null.
type Header struct {
	Name  string
	Value []byte
}

// Time returns the timestamp; false where there is none.
func (r *Record) Time() (time.Time, bool) {
	return time.UnixMilli(r.Timestamp).UTC(), r.Timestamp != -1
}

// Headers returns the headers in order.
func (r *Record) Headers() iter.Seq[Header] {
	return func(yield func(Header) bool) {
		at := r.at.header
		for range r.batch.headersOf(r.at.index) {
			name, value := at.take(r.batch)
			if !yield(Header{string(name), value}) {
				return
			}
		}
	}
}

// Header returns the last header of a name, as Kafka's own lastHeader; false where there is none.
func (r *Record) Header(name string) (found Header, ok bool) {
	at := r.at.header
	for range r.batch.headersOf(r.at.index) {
		if one, value := at.take(r.batch); string(one) == name {
			found, ok = Header{name, value}, true
		}
	}
	return found, ok
}

// JSON reads the value by encoding/json.
func (r *Record) JSON(into any) error {
	if r.Value == nil {
		return errors.New("the value is null")
	}
	return json.Unmarshal(r.Value, into)
}

// A column is k byte strings: lengths, -1 for null, and their bytes end to end.
type column struct {
	lengths []int32
	data    []byte
}

var empty = []byte{}

func (c *column) item(index, at int) []byte {
	length := int(c.lengths[index])
	if length < 0 {
		return nil
	}
	if length == 0 {
		return empty
	}
	return c.data[at : at+length : at+length]
}

// A batch is what the host gives: columns of the records of one partition.
type batch struct {
	topic        string
	partition    int32
	offsets      []int64
	timestamps   []int64
	keys, values column
	// nil where no record has headers
	headerCounts              []uint32
	headerNames, headerValues column
}

func (b *batch) headersOf(index int) int {
	if b.headerCounts == nil {
		return 0
	}
	return int(b.headerCounts[index])
}

func (b *batch) record(at *cursor, into *Record) {
	*into = Record{
		Topic:     b.topic,
		Partition: b.partition,
		Offset:    b.offsets[at.index],
		Timestamp: b.timestamps[at.index],
		Key:       b.keys.item(at.index, at.key),
		Value:     b.values.item(at.index, at.value),
		batch:     b,
		at:        *at,
	}
}

// A place is a header's, in the batch's columns.
type place struct {
	index, name, value int
}

func (p *place) take(b *batch) (name, value []byte) {
	name, value = b.headerNames.item(p.index, p.name), b.headerValues.item(p.index, p.value)
	p.index++
	p.name += len(name)
	p.value += len(value)
	return name, value
}

// A cursor is where a record's items begin in the batch's columns.
type cursor struct {
	index, key, value int
	header            place
}

func (c *cursor) advance(b *batch) {
	c.key += int(max(b.keys.lengths[c.index], 0))
	c.value += int(max(b.values.lengths[c.index], 0))
	for range b.headersOf(c.index) {
		c.header.take(b)
	}
	c.index++
}
