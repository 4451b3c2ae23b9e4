//go:build !linux

package spool_test

import (
	"errors"
	"testing"
)

func mountSmall(string) error { return errors.New("only on Linux") }

func unmount(*testing.T, string) {}
