package cli

import (
	"fmt"
	"strings"
)

// bash splits at "=", so --flag=value arrives as three words.
func (p program) bash() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Completion of %[1]s for bash: source <(%[1]s completion bash)
_%[1]s() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at="" word i
    if [[ $cur == "=" ]]; then
        cur=""
    elif [[ $prev == "=" ]]; then
        prev=${COMP_WORDS[COMP_CWORD-2]}
    fi
    for (( i = 1; i < COMP_CWORD; i++ )); do
        word=${COMP_WORDS[i]}
        case $word in
            %[2]s) [[ ${COMP_WORDS[i+1]} == "=" ]] && (( i++ )); (( i++ )); continue ;;
        esac
        case $at/$word in
            %[3]s) at=$at/$word ;;
        esac
    done
    COMPREPLY=()
    case $prev in
`, p.name, patterns(p.valued()), p.paths())
	for _, f := range p.valued() {
		fmt.Fprintf(&b, "        %s) %s return ;;\n", patterns([]flag{f}), bashReply(f.values, f.takes))
	}
	b.WriteString("    esac\n    case $at in\n")
	for _, l := range p.levels {
		reply := fmt.Sprintf("COMPREPLY=($(compgen -W %s -- \"$cur\"));", quote(strings.Join(l.words(), " ")))
		if l.takes == aFile || l.takes == aFolder {
			reply += " [[ $cur == -* ]] || " + strings.Replace(bashReply(nil, l.takes), "COMPREPLY=(", "COMPREPLY+=(", 1)
		}
		fmt.Fprintf(&b, "        %s) %s ;;\n", quote(l.at), strings.TrimSuffix(reply, ";"))
	}
	fmt.Fprintf(&b, "    esac\n}\ncomplete -o filenames -F _%[1]s %[1]s\n", p.name)
	return b.String()
}

func bashReply(values []string, t takes) string {
	switch {
	case len(values) > 0:
		return fmt.Sprintf("COMPREPLY=($(compgen -W %s -- \"$cur\"));", quote(strings.Join(values, " ")))
	case t == aFile:
		return `COMPREPLY=($(compgen -f -- "$cur"));`
	case t == aFolder:
		return `COMPREPLY=($(compgen -d -- "$cur"));`
	}
	return "" // anything: nothing can be offered
}
