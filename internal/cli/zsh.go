package cli

import (
	"fmt"
	"strings"
)

// zsh uses at where bash's words would be path: in zsh that name is the list of folders that programs are sought in.
func (p program) zsh() string {
	var b strings.Builder
	fmt.Fprintf(&b, `#compdef %[1]s
# Completion of %[1]s for zsh: source <(%[1]s completion zsh)
_%[1]s() {
    local at="" word i
    local -a commands flags
    for (( i = 2; i < CURRENT; i++ )); do
        word=${words[i]}
        case $word in
            %[2]s) (( i++ )); continue ;;
        esac
        case $at/$word in
            %[3]s) at=$at/$word ;;
        esac
    done
    case ${words[CURRENT-1]} in
`, p.name, patterns(p.valued()), p.paths())
	for _, f := range p.valued() {
		reply := ":"
		switch {
		case len(f.values) > 0:
			reply = "compadd -- " + strings.Join(f.values, " ")
		case f.takes == aFile:
			reply = "_files"
		case f.takes == aFolder:
			reply = "_files -/"
		}
		fmt.Fprintf(&b, "        %s) %s; return ;;\n", patterns([]flag{f}), reply)
	}
	b.WriteString("    esac\n    case $at in\n")
	for _, l := range p.levels {
		fmt.Fprintf(&b, "        %s)\n            commands=(%s)\n            flags=(%s)\n", quote(l.at), zshWords(l.commands, l.values), zshFlags(l.flags))
		if l.takes == aFile || l.takes == aFolder {
			b.WriteString("            _files\n")
		}
		b.WriteString("            ;;\n")
	}
	fmt.Fprintf(&b, `    esac
    (( ${#commands} )) && _describe -t commands command commands
    _describe -o -t options option flags
}
compdef _%[1]s %[1]s
`, p.name)
	return b.String()
}

// described is a word with its help as _describe reads it: a colon parts them, so that in the word none may stand bare.
func described(text, help string) string {
	return quote(strings.ReplaceAll(text, ":", `\:`) + ":" + help)
}

func zshWords(commands []word, values []string) string {
	var out []string
	for _, c := range commands {
		out = append(out, described(c.text, c.help))
	}
	for _, v := range values {
		out = append(out, described(v, ""))
	}
	return strings.Join(out, " ")
}

func zshFlags(flags []flag) string {
	var out []string
	for _, f := range flags {
		out = append(out, described("--"+f.name, f.help))
	}
	return strings.Join(out, " ")
}
