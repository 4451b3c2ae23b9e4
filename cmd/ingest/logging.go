package main

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// newLogger writes the program's own log: key=value lines, or JSON with the
// keys that Cloud Logging's agents look for (severity, message, time).
// https://cloud.google.com/logging/docs/structured-logging
func newLogger(w io.Writer, form, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("reading --log-level: %w", err)
	}
	o := &slog.HandlerOptions{Level: l, ReplaceAttr: utcTime}
	if form != "json" {
		return slog.New(slog.NewTextHandler(w, o)), nil
	}
	o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) > 0 {
			return a
		}
		switch a.Key {
		case slog.MessageKey:
			a.Key = "message"
		case slog.LevelKey:
			return slog.String("severity", severity(a.Value.Any().(slog.Level)))
		}
		return utcTime(groups, a)
	}
	return slog.New(slog.NewJSONHandler(w, o)), nil
}

func utcTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.String(slog.TimeKey, a.Value.Time().UTC().Format(time.RFC3339Nano))
	}
	return a
}

// severity is Cloud Logging's name of a level.
func severity(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "ERROR"
	case l >= slog.LevelWarn:
		return "WARNING"
	case l >= slog.LevelInfo:
		return "INFO"
	}
	return "DEBUG"
}
