package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// Teach puts examples into the help of commands. Keys are commands as they are typed, "" for the program itself; values are
// whole command lines. A key that is no command is an error.
func Teach(app *kong.Application, examples map[string][]string) error {
	nodes := map[string]*kong.Node{}
	walk(app.Node, "", nodes)
	for command, lines := range examples {
		n := nodes[command]
		if n == nil {
			return fmt.Errorf("examples of %q, which is no command", command)
		}
		n.Detail = strings.TrimSpace(n.Detail + "\n\nExamples:\n  " + strings.Join(lines, "\n  "))
	}
	return nil
}

// Commands lists the commands that can be run, as they are typed, without those that are hidden.
func Commands(app *kong.Application) (out []string) {
	nodes := map[string]*kong.Node{}
	walk(app.Node, "", nodes)
	for name, n := range nodes {
		if name != "" && n.Leaf() {
			out = append(out, name)
		}
	}
	return out
}

func walk(n *kong.Node, at string, into map[string]*kong.Node) {
	into[at] = n
	for _, c := range n.Children {
		if c.Type == kong.CommandNode && !c.Hidden {
			walk(c, strings.TrimSpace(at+" "+c.Name), into)
		}
	}
}
