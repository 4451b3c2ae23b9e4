package query

import "fmt"

// Size writes a number of bytes for people, in the units of the bill: 12 KiB, 212 MiB, 60.0 GiB.
func Size(n int64) string {
	switch {
	case n >= 1<<40:
		return fmt.Sprintf("%.2f TiB", float64(n)/(1<<40))
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.0f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

// Limit is a size that is not below n and that a flag takes: 60GiB.
func Limit(n int64) string {
	unit, name := int64(1<<20), "MiB"
	if n >= 10<<30 {
		unit, name = 1<<30, "GiB"
	}
	return fmt.Sprintf("%d%s", (n+unit-1)/unit, name)
}
