// Package config reads the configuration file of the blocker: what is asked, of
// which store, about which services, and what is done about the answer.
//
// In comes one YAML file; a checked [Config] goes out, or all faults at once, each
// an *[Error] with file, line and column. The file is read strictly: an unknown key, a key
// written twice or a value of the wrong kind is an error that says what was probably meant.
// deploy/edgewarden.yaml explains every key.
//
// Durations are Go's (90s, 15m, 1h30m) plus d for 24 hours and w for seven days
// (7d, 1w, 1d12h). A bare number is refused: its unit would be a guess. Sizes take B, KiB, MiB, GiB, TiB
// or kB, MB, GB, TB. Shares are fractions (0.05) or percentages (5%).
//
// Secrets have no place here. A key that looks as if it held one is refused with
// the place where it belongs, and its value is never repeated; so a Config can be printed
// whole.
//
// Conditions may be plain, quoted or block scalars; the lines of a folded block are
// kept as they stand, so that an error inside a condition points at its place in the file.
package config
