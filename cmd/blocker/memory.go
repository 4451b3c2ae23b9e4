package main

import (
	"bufio"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// engineShare is the part of the process's memory DuckDB may use, in percent. The rest is for what it does not count
// (code, buffers of the Parquet reader, what its allocator keeps) and for Go, which holds the offenders and a replay.
const engineShare = 60

// engineMemory is the limit for DuckDB: its share of what Linux lets the process have. A query that needs more spills to a
// file instead of being killed by the kernel. 0, where that is not known, leaves it to DuckDB. GOMEMLIMIT says nothing here: it
// is about the memory of Go alone.
func engineMemory() int64 {
	have := systemMemory(os.DirFS("/"))
	if have == math.MaxInt64 {
		return 0
	}
	return have / 100 * engineShare
}

// systemMemory is what Linux lets this process have, the least of the machine's memory and the limits of the control groups it is in, and math.MaxInt64 elsewhere. In a container the limit stands at the
// root of /sys/fs/cgroup, under systemd in the unit's folder or in one above it.
func systemMemory(root fs.FS) int64 {
	least := int64(math.MaxInt64)
	for line := range lines(root, "proc/meminfo") {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			if kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64); err == nil {
				least = kb << 10
			}
		}
	}
	for line := range lines(root, "proc/self/cgroup") {
		// number:controllers:folder, where version 2 has no controllers
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			continue
		}
		mount, file := "sys/fs/cgroup", "memory.max"
		switch parts[1] {
		case "":
		case "memory":
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for folder := path.Clean("/" + parts[2]); ; folder = path.Dir(folder) {
			for text := range lines(root, path.Join(mount, folder, file)) {
				if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 { // "max" is none
					least = min(least, n)
				}
			}
			if folder == "/" {
				break
			}
		}
	}
	return least
}

// lines are the lines of a file; none of one that cannot be read.
func lines(root fs.FS, name string) func(func(string) bool) {
	return func(yield func(string) bool) {
		f, err := root.Open(name)
		if err != nil {
			return
		}
		defer f.Close()
		for in := bufio.NewScanner(f); in.Scan(); {
			if !yield(in.Text()) {
				return
			}
		}
	}
}
