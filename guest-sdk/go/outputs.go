package edgemill

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// part is a column that an output can set.
type part uint8

const (
	partKey part = 1 << iota
	partValue
	partTimestamp
	partHeaders
	partRoute
)

// A gathered column keeps its memory for the next batch.
type gathered struct {
	column
	// where the bytes of the last item begin
	begin int
}

func (g *gathered) push(bytes []byte) {
	g.begin = len(g.data)
	if bytes == nil {
		g.lengths = append(g.lengths, -1)
		return
	}
	g.lengths = append(g.lengths, int32(len(bytes)))
	g.data = append(g.data, bytes...)
}

func (g *gathered) pushText(text string) {
	g.begin = len(g.data)
	g.lengths = append(g.lengths, int32(len(text)))
	g.data = append(g.data, text...)
}

// pop takes the last item back.
func (g *gathered) pop() {
	last := len(g.lengths) - 1
	g.data = g.data[:len(g.data)-int(max(g.lengths[last], 0))]
	g.lengths = g.lengths[:last]
	g.begin = len(g.data)
}

// extended says that the last item got more bytes.
func (g *gathered) extended() { g.lengths[len(g.lengths)-1] = int32(len(g.data) - g.begin) }

func (g *gathered) clear() {
	g.lengths = g.lengths[:0]
	g.data = g.data[:0]
}

// Outputs is what becomes of a record. A column that nobody sets is left to the host.
type Outputs struct {
	batch   *batch
	at      cursor
	touched part
	current Output

	origins       []uint32
	timestamps    []int64
	keys, values  gathered
	headerCounts  []uint32
	headerNames   gathered
	headerValues  gathered
	routes        []uint16
	routeNames    []string
	rejectOrigins []uint32
	codes         gathered
	messages      gathered
}

// Keep lets the record pass as it is. A transform that does only this moves no bytes.
func (o *Outputs) Keep() { o.Emit() }

// Emit begins an output: the record with what is set on it, until the next output begins or the transform returns.
func (o *Outputs) Emit() *Output {
	o.finish()
	o.current = Output{all: o, open: true}
	return &o.current
}

func (o *Outputs) start(b *batch) {
	o.batch, o.at, o.touched, o.current = b, cursor{}, 0, Output{}
	o.origins, o.timestamps, o.headerCounts = o.origins[:0], o.timestamps[:0], o.headerCounts[:0]
	o.routes, o.routeNames, o.rejectOrigins = o.routes[:0], o.routeNames[:0], o.rejectOrigins[:0]
	for _, column := range []*gathered{&o.keys, &o.values, &o.headerNames, &o.headerValues, &o.codes, &o.messages} {
		column.clear()
	}
}

// reject refuses the record; the host withholds what it gave.
func (o *Outputs) reject(err error) {
	rejected := &Rejected{Code: "error", Message: err.Error()}
	errors.As(err, &rejected)
	o.rejectOrigins = append(o.rejectOrigins, uint32(o.at.index))
	// the host takes no other bytes for a text
	o.codes.pushText(strings.ToValidUTF8(rejected.Code, "\uFFFD"))
	o.messages.pushText(strings.ToValidUTF8(rejected.Message, "\uFFFD"))
}

// finish ends an output: columns that others of the batch set and it did not have what its origin has.
func (o *Outputs) finish() {
	if !o.current.open {
		return
	}
	o.current.open = false
	o.keepParts(o.touched&^o.current.set, &o.at)
	if o.current.set&partHeaders != 0 {
		o.headerCounts = append(o.headerCounts, o.current.headers)
	}
	o.origins = append(o.origins, uint32(o.at.index))
}

func (o *Outputs) keepParts(parts part, at *cursor) {
	if parts == 0 {
		return
	}
	if parts&partKey != 0 {
		o.keys.push(o.batch.keys.item(at.index, at.key))
	}
	if parts&partValue != 0 {
		o.values.push(o.batch.values.item(at.index, at.value))
	}
	if parts&partTimestamp != 0 {
		o.timestamps = append(o.timestamps, o.batch.timestamps[at.index])
	}
	if parts&partHeaders != 0 {
		o.headerCounts = append(o.headerCounts, o.keepHeaders(at))
	}
	if parts&partRoute != 0 {
		o.routes = append(o.routes, 0)
	}
}

func (o *Outputs) keepHeaders(at *cursor) uint32 {
	count, header := o.batch.headersOf(at.index), at.header
	for range count {
		name, value := header.take(o.batch)
		o.headerNames.push(name)
		o.headerValues.push(value)
	}
	return uint32(count)
}

// touch is called before a column is set: where that is the first time in this batch, the outputs before get what their origins had.
func (o *Outputs) touch(one part) {
	if o.touched&one != 0 {
		return
	}
	o.touched |= one
	var at cursor
	for _, origin := range o.origins {
		for at.index < int(origin) {
			at.advance(o.batch)
		}
		o.keepParts(one, &at)
	}
}

// Output is an output that was begun, and good until the next begins. It is an [io.Writer] and an [io.StringWriter], which add to its
// value: the first piece makes that empty before.
type Output struct {
	all     *Outputs
	set     part
	open    bool
	headers uint32
}

// SetKey sets the key; nil is null.
func (o *Output) SetKey(key []byte) *Output {
	o.column(partKey, &o.all.keys).push(key)
	return o
}

// SetValue sets the value; nil is null, a tombstone.
func (o *Output) SetValue(value []byte) *Output {
	o.column(partValue, &o.all.values).push(value)
	return o
}

// SetText sets the value to a text.
func (o *Output) SetText(value string) *Output {
	o.column(partValue, &o.all.values).pushText(value)
	return o
}

// SetJSON sets the value by encoding/json.
func (o *Output) SetJSON(value any) error {
	text, err := json.Marshal(value)
	if err == nil {
		o.SetValue(text)
	}
	return err
}

// Write adds to the value. It never fails.
func (o *Output) Write(piece []byte) (int, error) {
	values := o.written()
	values.data = append(values.data, piece...)
	values.extended()
	return len(piece), nil
}

// WriteString adds to the value. It never fails.
func (o *Output) WriteString(piece string) (int, error) {
	values := o.written()
	values.data = append(values.data, piece...)
	values.extended()
	return len(piece), nil
}

// SetTimestamp sets the timestamp in milliseconds since 1970-01-01 UTC; -1 is none.
func (o *Output) SetTimestamp(milliseconds int64) *Output {
	o.all.touch(partTimestamp)
	if o.set&partTimestamp != 0 {
		o.all.timestamps = o.all.timestamps[:len(o.all.timestamps)-1]
	}
	o.set |= partTimestamp
	o.all.timestamps = append(o.all.timestamps, milliseconds)
	return o
}

// AddHeader adds a header behind those there are; a nil value is null.
func (o *Output) AddHeader(name string, value []byte) *Output {
	o.ownHeaders()
	o.all.headerNames.pushText(name)
	o.all.headerValues.push(value)
	o.headers++
	return o
}

// RemoveHeader removes all headers of a name.
func (o *Output) RemoveHeader(name string) *Output {
	o.ownHeaders()
	type header struct{ name, value []byte }
	old := make([]header, o.headers)
	names, values := &o.all.headerNames, &o.all.headerValues
	for index := len(old) - 1; index >= 0; index-- {
		old[index] = header{slices.Clone(names.last()), slices.Clone(values.last())}
		names.pop()
		values.pop()
	}
	o.headers = 0
	for _, one := range old {
		if string(one.name) != name {
			names.push(one.name)
			values.push(one.value)
			o.headers++
		}
	}
	return o
}

// SetRoute sends the output to a topic that the pipeline's sink declares.
func (o *Output) SetRoute(topic string) *Output {
	all := o.all
	all.touch(partRoute)
	if o.set&partRoute != 0 {
		all.routes = all.routes[:len(all.routes)-1]
	}
	o.set |= partRoute
	index := slices.Index(all.routeNames, topic)
	if index < 0 {
		index = len(all.routeNames)
		if index == 0xffff {
			panic("a batch has more than 65535 routes")
		}
		all.routeNames = append(all.routeNames, topic)
	}
	all.routes = append(all.routes, uint16(index+1))
	return o
}

// column begins to set a column of bytes: what was set before is gone.
func (o *Output) column(one part, column *gathered) *gathered {
	o.all.touch(one)
	if o.set&one != 0 {
		column.pop()
	}
	o.set |= one
	return column
}

func (o *Output) written() *gathered {
	if o.set&partValue == 0 {
		o.SetValue(empty)
	}
	return &o.all.values
}

func (o *Output) ownHeaders() {
	o.all.touch(partHeaders)
	if o.set&partHeaders == 0 {
		o.set |= partHeaders
		o.headers = o.all.keepHeaders(&o.all.at)
	}
}

// last is the last item, good until the next is pushed.
func (g *gathered) last() []byte {
	length := int(g.lengths[len(g.lengths)-1])
	if length < 0 {
		return nil
	}
	return g.data[len(g.data)-length:]
}
