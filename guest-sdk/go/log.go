package edgemill

import "fmt"

// Level is how much a message matters.
type Level int32

// The levels of the host's log.
const (
	Trace Level = iota
	Debug
	Info
	Warn
	Error
)

func (l Level) String() string {
	return [...]string{"trace", "debug", "info", "warn", "error"}[l]
}

// Log writes a message to the host's log, which counts and limits messages.
func Log(level Level, format string, arguments ...any) {
	write(level, fmt.Sprintf(format, arguments...))
}
