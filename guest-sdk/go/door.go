//go:build wasip1

package edgemill

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"unsafe"
)

// The exports of the core door (docs/guests/core-door.md). All tables are of whole numbers of 8 bytes, which Go places at
// multiples of 8, as it does arrays of 16 items and more.

var (
	// words of 8 bytes, so that Go aligns them
	input     []uint64
	transform Transform
	outputs   Outputs
	table     [16]uint64
	refusal   [1]uint64
	reason    []byte
	// of the route names, gathered here
	routeNames gathered
	nothing    [1]uint64
)

//go:wasmimport edgemill:transform/log@1.0.0 log
func hostLog(level int32, text unsafe.Pointer, size uint32)

func write(level Level, text string) {
	hostLog(int32(level), unsafe.Pointer(unsafe.StringData(text)), uint32(len(text)))
}

//go:wasmexport edgemill_alloc
func alloc(size uint32) unsafe.Pointer {
	if words := (int(size) + 7) / 8; words > len(input) {
		input = make([]uint64, words)
	}
	return unsafe.Pointer(unsafe.SliceData(input))
}

//go:wasmexport edgemill_configure
func configureDoor(text unsafe.Pointer, size uint32) unsafe.Pointer {
	defer giveUp()
	made, err := configured(unsafe.Slice((*byte)(text), size))
	if err == nil {
		transform = made
		return nil
	}
	reason = []byte(strings.ToValidUTF8(err.Error(), "\uFFFD"))
	if len(reason) == 0 {
		reason = []byte("the configuration is refused")
	}
	words := unsafe.Slice((*uint32)(unsafe.Pointer(&refusal)), 2)
	words[0], words[1] = address(reason), uint32(len(reason))
	return unsafe.Pointer(&refusal)
}

//go:wasmexport edgemill_transform_1_0_0
func transformDoor(given unsafe.Pointer) unsafe.Pointer {
	defer giveUp()
	words := unsafe.Slice((*uint32)(given), 20)
	count := words[0]
	records := batch{
		topic:        string(slice[byte](words[2], words[3])),
		partition:    int32(words[1]),
		offsets:      slice[int64](words[4], count),
		timestamps:   slice[int64](words[5], count),
		keys:         columnAt(words[6:], count),
		values:       columnAt(words[9:], count),
		headerNames:  columnAt(words[14:], words[13]),
		headerValues: columnAt(words[17:], words[13]),
	}
	if words[12] != 0 {
		records.headerCounts = slice[uint32](words[12], count)
	}
	apply(transform, &records, &outputs)
	outputs.describe(unsafe.Slice((*uint32)(unsafe.Pointer(&table)), 32))
	return unsafe.Pointer(&table)
}

// giveUp makes of a panic a message and a fault; Go's own would come in pieces.
func giveUp() {
	if problem := recover(); problem != nil {
		write(Debug, string(debug.Stack()))
		// the last message is the one that the host tells with the fault
		write(Error, fmt.Sprintf("panic: %v%s", problem, panickedAt()))
		os.Exit(2)
	}
}

// panickedAt says where the author's code panicked: its innermost functions with their lines, without the runtime's and the SDK's own.
// The host sees only that the guest ended itself.
func panickedAt() string {
	const most = 4
	var callers [64]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers[:])])
	first, more := frames.Next()
	sdk := strings.TrimSuffix(first.Function, "panickedAt")
	var text strings.Builder
	for count := 0; more && count < most; {
		var frame runtime.Frame
		frame, more = frames.Next()
		if strings.HasPrefix(frame.Function, "runtime.") || strings.HasPrefix(frame.Function, sdk) {
			continue
		}
		separator := " < "
		if count == 0 {
			separator = "; at "
		}
		fmt.Fprintf(&text, "%s%s (%s:%d)", separator, frame.Function, frame.File, frame.Line)
		count++
	}
	return text.String()
}

func (o *Outputs) describe(words []uint32) {
	clear(words)
	words[0], words[1] = uint32(len(o.origins)), address(o.origins)
	if o.touched&partTimestamp != 0 {
		words[2] = address(o.timestamps)
	}
	if o.touched&partKey != 0 {
		o.keys.describe(words[3:])
	}
	if o.touched&partValue != 0 {
		o.values.describe(words[6:])
	}
	if o.touched&partHeaders != 0 {
		words[9], words[10] = address(o.headerCounts), uint32(len(o.headerNames.lengths))
	}
	o.headerNames.describe(words[11:])
	o.headerValues.describe(words[14:])
	if o.touched&partRoute != 0 {
		words[17] = address(o.routes)
	}
	routeNames.clear()
	for _, name := range o.routeNames {
		routeNames.pushText(name)
	}
	words[18] = uint32(len(o.routeNames))
	routeNames.describe(words[19:])
	words[22], words[23] = uint32(len(o.rejectOrigins)), address(o.rejectOrigins)
	o.codes.describe(words[24:])
	o.messages.describe(words[27:])
}

func (g *gathered) describe(words []uint32) {
	words[0], words[1], words[2] = address(g.lengths), address(g.data), uint32(len(g.data))
}

// address is where items are. There always is one: 0 would say that there is no such array.
func address[T any](items []T) uint32 {
	if len(items) == 0 {
		return uint32(uintptr(unsafe.Pointer(&nothing)))
	}
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(items))))
}

func slice[T any](at, count uint32) []T {
	if count == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(uintptr(at))), count)
}

func columnAt(words []uint32, count uint32) column {
	return column{lengths: slice[int32](words[0], count), data: slice[byte](words[1], words[2])}
}

// Arrays of fewer items than this Go may place at any multiple of their items' size.
const least = 16

func init() {
	outputs.origins, outputs.headerCounts = make([]uint32, 0, least), make([]uint32, 0, least)
	outputs.routes, outputs.rejectOrigins = make([]uint16, 0, least), make([]uint32, 0, least)
	for _, column := range []*gathered{
		&outputs.keys, &outputs.values, &outputs.headerNames, &outputs.headerValues, &outputs.codes, &outputs.messages, &routeNames,
	} {
		column.lengths = make([]int32, 0, least)
	}
}
