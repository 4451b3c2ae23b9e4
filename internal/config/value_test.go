package config_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"edgewarden/internal/config"
)

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	for in, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "15m": 15 * time.Minute, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute, " 5m ": 5 * time.Minute,
		"7d": 7 * day, "1w": 7 * day, "1w2d": 9 * day, "1d12h": 36 * time.Hour, "0s": 0, "0d": 0,
	} {
		if got, err := config.ParseDuration(in); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "5", "0", "d", "1.5d", "-1d", "-5m", "1d-5m", "5 minutes", "2d1w", "99999999d", "65535w65535d99999h", "1y", "∞"} {
		if got, err := config.ParseDuration(in); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", in, got)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for want, in := range map[string]time.Duration{"7d": 7 * 24 * time.Hour, "1h30m": 90 * time.Minute, "1h": time.Hour, "10m": 10 * time.Minute, "5m1s": 301 * time.Second, "36h": 36 * time.Hour} {
		if got := config.FormatDuration(in); got != want {
			t.Errorf("FormatDuration(%v) = %s, want %s", in, got, want)
		}
		if back, err := config.ParseDuration(want); err != nil || back != in {
			t.Errorf("%s does not read back: %v, %v", want, back, err)
		}
	}
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{"1": 1, "50GiB": 50 << 30, "1.5 TB": 15e11, "10MB": 1e7, "7B": 7, "1KiB": 1024, "2 kB": 2000, "1MiB": 1 << 20, "1TiB": 1 << 40, "3GB": 3e9} {
		if got, err := config.ParseSize(in); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "0", "-1", "GiB", "1 apple", "1e300TiB", "NaN", "0.5"} {
		if got, err := config.ParseSize(in); err == nil {
			t.Errorf("ParseSize(%q) = %v, want an error", in, got)
		}
	}
}

// FuzzLoad: no file makes Load panic or hang, and what loads compiles.
func FuzzLoad(f *testing.F) {
	for _, name := range []string{"edgewarden.yaml", "rules.yaml"} {
		text, err := os.ReadFile(filepath.Join(deploy, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	for _, s := range []string{"", "a: &a [*a]\n", "a: *a\n", "owner: !!str x\n", "? a\n: b\n", "rules:\n  - where: >\n\n\n", "rules: [{where: \"\\", "services: [[]]", "owner: |2\n   x\n",
		"allowlist: [{prefix: &p 203.0.113.9, reason: *p}]", "\t", "--- \n...\n", "{{: x", "- - - -", "a: b: c", "owner: 'x\n\n y'",
		"classes:\n  - {name: static, where: cache.startsWith(\"HIT\"), weight: 0}\nrules:\n  - {name: flood, window: 10m, when: weight >= 3000}\n", "classes: [{}, {weight: 101}, {name: a, where: 'true', weight: 1e2}]"} {
		f.Add(s)
	}
	path := filepath.Join(f.TempDir(), "c.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(path)
		if (c == nil) != (err != nil) {
			t.Fatalf("got %v and %v", c, err)
		}
		if err == nil && len(c.Rules) > 0 {
			if _, _, err := config.Compile(c.Rules, time.Second/2, c.Classes...); err != nil {
				t.Fatalf("loaded, but does not compile: %v", err)
			}
		}
	})
}
