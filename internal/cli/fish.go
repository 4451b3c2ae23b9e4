package cli

import (
	"fmt"
	"strings"
)

// fish asks a condition for each line; _NAME_at compares the commands typed so far with a level.
func (p program) fish() string {
	var b strings.Builder
	var all []string
	for _, l := range p.levels[1:] {
		all = append(all, quote(l.at))
	}
	fmt.Fprintf(&b, `# Completion of %[1]s for fish: %[1]s completion fish | source
function _%[1]s_at
    set -l at ''
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        if contains -- $word %[2]s
            set skip 1
        else if contains -- "$at/$word" %[3]s
            set at "$at/$word"
        end
    end
    test "$at" = "$argv[1]"
end
complete -c %[1]s -f
`, p.name, strings.ReplaceAll(patterns(p.valued()), "|", " "), strings.Join(all, " "))
	for _, l := range p.levels {
		at := fmt.Sprintf("complete -c %[1]s -n %[2]s", p.name, quote("_"+p.name+"_at "+quote(l.at)))
		for _, c := range l.commands {
			fmt.Fprintf(&b, "%s -a %s -d %s\n", at, c.text, quote(c.help))
		}
		if len(l.values) > 0 {
			fmt.Fprintf(&b, "%s -a %s\n", at, quote(strings.Join(l.values, " ")))
		}
		if l.takes == aFile || l.takes == aFolder {
			fmt.Fprintf(&b, "%s -F\n", at)
		}
		for _, f := range l.flags {
			fmt.Fprintf(&b, "%s -l %s%s -d %s%s\n", at, f.name, fishShort(f.short), quote(f.help), fishTakes(f))
		}
	}
	return b.String()
}

func fishShort(s string) string {
	if s == "" {
		return ""
	}
	return " -s " + s
}

func fishTakes(f flag) string {
	switch {
	case len(f.values) > 0:
		return " -x -a " + quote(strings.Join(f.values, " "))
	case f.takes == aFile || f.takes == aFolder:
		return " -r -F"
	case f.takes == anything:
		return " -x"
	}
	return ""
}
