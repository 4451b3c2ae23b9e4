// Command licenses fails when a module that the programs or their tests are built from is under a licence that is not on the
// allow list, or under none that can be named. It is run in the folder of tools; -C names the module to look at.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"edgewarden/tools/licence"
)

func main() {
	dir := flag.String("C", "..", "folder of the module to look at")
	flag.Parse()
	if err := run(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	cmd := exec.Command("go", "list", "-deps", "-test", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}", "./...")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	modules := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(modules)
	modules = slices.DeleteFunc(slices.Compact(modules), func(m string) bool { return m == "" })
	counts, bad := map[string]int{}, 0
	for _, m := range modules {
		parts := strings.Split(m, "\t")
		ids, err := licence.Of(parts[2])
		if err == nil {
			if refused := licence.Refused(parts[0], ids); len(refused) > 0 {
				err = fmt.Errorf("%s is not on the allow list", strings.Join(refused, ", "))
			}
		}
		if err != nil {
			fmt.Printf("%s %s: %v\n", parts[0], parts[1], err)
			bad++
			continue
		}
		counts[strings.Join(ids, " and ")]++
	}
	for module := range licence.Exceptions {
		if !slices.ContainsFunc(modules, func(m string) bool { return strings.HasPrefix(m, module+"\t") }) {
			fmt.Printf("%s: has an exception and is not used any more\n", module)
			bad++
		}
	}
	if bad > 0 || len(modules) < 20 {
		return fmt.Errorf("%d of %d modules cannot be passed on as they are", bad, len(modules))
	}
	var kinds []string
	for ids, n := range counts {
		kinds = append(kinds, fmt.Sprintf("%d %s", n, ids))
	}
	slices.Sort(kinds)
	fmt.Printf("licences of %d modules: %s\n", len(modules), strings.Join(kinds, ", "))
	return nil
}
