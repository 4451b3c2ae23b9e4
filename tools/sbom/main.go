// Command sbom writes what is in the programs as CycloneDX JSON: the three binaries, each module linked into them with
// version, checksum and licence, and the Go release that built them. It reads the binaries themselves, so it lists what was linked and not what
// might have been. The same binaries give the same bytes.
//
//	sbom [-C DIR] BINARY… >sbom.cdx.json
package main

import (
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"edgewarden/tools/licence"
)

func main() {
	dir := flag.String("C", "..", "folder of the module the binaries were built in; licences are read from its module cache")
	flag.Parse()
	if err := run(*dir, flag.Args(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(dir string, binaries []string, out io.Writer) error {
	if len(binaries) == 0 {
		return fmt.Errorf("no binary given")
	}
	folders, err := moduleFolders(dir)
	if err != nil {
		return err
	}
	return bill(binaries, folders, out)
}

// bill writes the bill of binaries; folders says where each module linked into them lies.
func bill(binaries []string, folders map[string]string, out io.Writer) error {
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &cdx.Component{BOMRef: "edgewarden", Type: cdx.ComponentTypeApplication, Name: "edgewarden"}}
	modules := map[string]cdx.Component{}
	var programs []cdx.Component
	var needs []cdx.Dependency
	for _, path := range binaries {
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return err
		}
		program, err := programOf(path, info)
		if err != nil {
			return err
		}
		refs := []string{"golang"}
		modules["golang"] = cdx.Component{BOMRef: "golang", Type: cdx.ComponentTypeFramework, Name: "golang", Version: info.GoVersion, Licenses: licensesOf([]string{"BSD-3-Clause"})}
		for _, dep := range info.Deps {
			c, err := moduleOf(dep, folders)
			if err != nil {
				return err
			}
			modules[c.BOMRef] = c
			refs = append(refs, c.BOMRef)
		}
		programs = append(programs, program)
		needs = append(needs, cdx.Dependency{Ref: program.BOMRef, Dependencies: &refs})
	}
	components := programs
	for _, ref := range slices.Sorted(maps.Keys(modules)) {
		components = append(components, modules[ref])
	}
	bom.Components, bom.Dependencies = &components, &needs
	return cdx.NewBOMEncoder(out, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
}

// programOf describes a binary by its name and the SHA-256 of its bytes.
func programOf(path string, info *debug.BuildInfo) (cdx.Component, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return cdx.Component{}, err
	}
	sum := sha256.Sum256(content)
	name := filepath.Base(path)
	return cdx.Component{
		BOMRef: "program:" + name, Type: cdx.ComponentTypeApplication, Name: name, Version: info.Main.Version, Licenses: licensesOf([]string{"Apache-2.0"}),
		Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}},
	}, nil
}

// moduleOf describes a module that is linked in. Its checksum is go.sum's: SHA-256 of the list of its files and their sums.
func moduleOf(dep *debug.Module, folders map[string]string) (cdx.Component, error) {
	m := cmp.Or(dep.Replace, dep)
	ref := "pkg:golang/" + m.Path + "@" + m.Version
	ids, err := licence.Of(folders[m.Path+"@"+m.Version])
	if err != nil {
		return cdx.Component{}, fmt.Errorf("%s: %w", ref, err)
	}
	c := cdx.Component{BOMRef: ref, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: ref, Licenses: licensesOf(ids)}
	if b64, ok := strings.CutPrefix(m.Sum, "h1:"); ok {
		sum, err := base64.StdEncoding.DecodeString(b64)
		if err != nil {
			return c, fmt.Errorf("%s: %w", ref, err)
		}
		c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum)}}
	}
	return c, nil
}

func licensesOf(ids []string) *cdx.Licenses {
	var ls cdx.Licenses
	for _, id := range ids {
		ls = append(ls, cdx.LicenseChoice{License: &cdx.License{ID: id}})
	}
	return &ls
}

// moduleFolders says where in the module cache each module of the build list lies.
func moduleFolders(dir string) (map[string]string, error) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{\"Path\":\"{{.Path}}\",\"Version\":\"{{.Version}}\",\"Dir\":\"{{.Dir}}\"}{{end}}{{end}}", "./cmd/...")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	folders := map[string]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var m struct{ Path, Version, Dir string }
		if err := dec.Decode(&m); err == io.EOF {
			return folders, nil
		} else if err != nil {
			return nil, err
		}
		folders[m.Path+"@"+m.Version] = m.Dir
	}
}
