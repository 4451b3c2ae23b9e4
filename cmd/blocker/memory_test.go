package main

import (
	"math"
	"testing"
	"testing/fstest"
)

func TestTheMemoryOfTheProcessIsTheLeastOfWhatLimitsIt(t *testing.T) {
	const mb = 1 << 20
	machine := "MemTotal:       16777216 kB\nMemFree:         1000 kB\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"not Linux", nil, math.MaxInt64},
		{"a machine", map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/user.slice\n", "sys/fs/cgroup/user.slice/memory.max": "max\n"}, 16384 * mb},
		{"a container", map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"}, 512 * mb},
		{"a unit", map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/system.slice/edgewarden-blocker.service\n",
			"sys/fs/cgroup/system.slice/edgewarden-blocker.service/memory.max": "2147483648\n", "sys/fs/cgroup/system.slice/memory.max": "max\n"}, 2048 * mb},
		{"a slice with less than its unit", map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/a.slice/b.service\n",
			"sys/fs/cgroup/a.slice/b.service/memory.max": "2147483648\n", "sys/fs/cgroup/a.slice/memory.max": "1073741824\n"}, 1024 * mb},
		{"control groups of version 1", map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "9:name=systemd:/\n4:memory:/docker/ab\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n", "sys/fs/cgroup/memory/docker/ab/memory.limit_in_bytes": "268435456\n"}, 256 * mb},
		{"nonsense", map[string]string{"proc/meminfo": "MemTotal: much\n", "proc/self/cgroup": "0\n::../../..\n", "sys/fs/cgroup/memory.max": "-5\n"}, math.MaxInt64},
	} {
		root := fstest.MapFS{}
		for name, text := range c.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := systemMemory(root); got != c.want {
			t.Errorf("%s: %d, not %d", c.name, got, c.want)
		}
	}
}
