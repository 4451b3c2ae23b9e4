// Package terminal knows what the reader of an output has before him: how many columns, whether colour helps, and whether a
// line may be drawn over. Rooms that print for people lay their lines out with it.
//
// In: a stream, the environment, and text that internal/plain has made safe. Out: lines that fit. Nothing is kept, so a crash
// leaves at most a half-drawn progress line on stderr.
package terminal
