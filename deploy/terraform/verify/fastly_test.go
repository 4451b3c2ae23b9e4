package verify_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"edgewarden/internal/logformat"
)

const dir = "../fastly"

// blocks are all top-level blocks of the folder for Fastly.
func blocks(t *testing.T) []*hclsyntax.Block {
	t.Helper()
	return blocksOf(t, dir)
}

// blocksOf are all top-level blocks of a folder.
func blocksOf(t *testing.T, dir string) []*hclsyntax.Block {
	t.Helper()
	files, err := filepath.Glob(dir + "/*.tf")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files (%v)", len(files), err)
	}
	var all []*hclsyntax.Block
	parser := hclparse.NewParser()
	for _, name := range files {
		f, diags := parser.ParseHCLFile(name)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		all = append(all, f.Body.(*hclsyntax.Body).Blocks...)
	}
	return all
}

func find(in []*hclsyntax.Block, kind string, labels ...string) (found []*hclsyntax.Block) {
	for _, b := range in {
		if b.Type == kind && (len(labels) == 0 || slices.Equal(b.Labels, labels)) {
			found = append(found, b)
		}
	}
	return found
}

// scope is what Terraform would know when it evaluates the folder, given the variables.
func scope(t *testing.T, vars map[string]cty.Value) *hcl.EvalContext {
	t.Helper()
	ctx := &hcl.EvalContext{
		Variables: map[string]cty.Value{
			"var":  cty.ObjectVal(vars),
			"path": cty.ObjectVal(map[string]cty.Value{"module": cty.StringVal(dir)}),
		},
		Functions: map[string]function.Function{
			"replace": stdlib.ReplaceFunc, "coalesce": stdlib.CoalesceFunc, "concat": stdlib.ConcatFunc,
			"file": function.New(&function.Spec{
				Params: []function.Parameter{{Name: "path", Type: cty.String}},
				Type:   function.StaticReturnType(cty.String),
				Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
					b, err := os.ReadFile(args[0].AsString())
					return cty.StringVal(string(b)), err
				},
			}),
		},
	}
	locals := map[string]cty.Value{}
	for _, b := range find(blocks(t), "locals") {
		for name, a := range b.Body.Attributes {
			locals[name] = value(t, ctx, a)
		}
	}
	ctx.Variables["local"] = cty.ObjectVal(locals)
	return ctx
}

func value(t *testing.T, ctx *hcl.EvalContext, a *hclsyntax.Attribute) cty.Value {
	t.Helper()
	v, diags := a.Expr.Value(ctx)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return v
}

var null = cty.NullVal(cty.String)

func variables() map[string]cty.Value {
	return map[string]cty.Value{
		"service_name": cty.StringVal("shop"), "domain": cty.StringVal("shop.test"), "backend_address": cty.StringVal("origin.shop.test"),
		"log_address": cty.StringVal("logs.shop.test"), "log_port": cty.NumberIntVal(6514), "log_token": cty.StringVal("0123456789abcdef"), "contact": cty.StringVal("help@shop.test"),
		"log_tls_hostname": null, "log_tls_ca_cert": null, "log_tls_client_cert": null, "log_tls_client_key": null,
	}
}

func TestTheFilesAreFormatted(t *testing.T) {
	files, err := filepath.Glob("../*/*.tf")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if string(hclwrite.Format(src)) != string(src) {
			t.Errorf("%s: run terraform fmt", name)
		}
	}
	if ugly := "a  = 1\nbcd = 2\n"; string(hclwrite.Format([]byte(ugly))) == ugly {
		t.Error("an ugly file passes: this test cannot fail")
	}
	if terraform, err := exec.LookPath("terraform"); err == nil {
		if out, err := exec.CommandContext(t.Context(), terraform, "fmt", "-check", "-diff", "-recursive", "..").Output(); err != nil {
			t.Errorf("terraform fmt -check: %v\n%s", err, out)
		}
	}
}

// The blocks and attributes of the provider that the files use.
// https://registry.terraform.io/providers/fastly/fastly/latest/docs/resources/service_vcl (and service_acl_entries,
// service_dictionary_items): a name that is misspelt would show only in an operator's terraform plan.
var schema = map[string]string{
	"fastly_service_vcl":              "name domain backend acl dictionary snippet logging_syslog lifecycle",
	"domain":                          "name",
	"backend":                         "name address port use_ssl ssl_cert_hostname ssl_sni_hostname",
	"acl":                             "name",
	"dictionary":                      "name",
	"snippet":                         "name type priority content",
	"logging_syslog":                  "name address port message_type format_version format token use_tls tls_hostname tls_ca_cert tls_client_cert tls_client_key",
	"fastly_service_acl_entries":      "service_id acl_id manage_entries for_each",
	"fastly_service_dictionary_items": "service_id dictionary_id manage_items items",
	"lifecycle":                       "precondition",
	"precondition":                    "condition error_message",
}

func checkNames(t *testing.T, schema map[string]string, kind string, body *hclsyntax.Body) {
	t.Helper()
	allowed, known := schema[kind]
	if !known {
		t.Errorf("block %s is not in the schema", kind)
		return
	}
	for name := range body.Attributes {
		if !slices.Contains(strings.Fields(allowed), name) {
			t.Errorf("%s has no attribute %s", kind, name)
		}
	}
	for _, b := range body.Blocks {
		name, inner := b.Type, b.Body
		if name == "dynamic" {
			name, inner = b.Labels[0], b.Body.Blocks[0].Body
		}
		if !slices.Contains(strings.Fields(allowed), name) {
			t.Errorf("%s has no block %s", kind, name)
		}
		checkNames(t, schema, name, inner)
	}
}

func TestTheProviderKnowsEveryName(t *testing.T) {
	resources := find(blocks(t), "resource")
	if len(resources) != 3 {
		t.Fatalf("%d resources", len(resources))
	}
	for _, r := range resources {
		checkNames(t, schema, r.Labels[0], r.Body)
	}
}

func TestVariablesAreDocumentedTypedAndUsed(t *testing.T) {
	var src strings.Builder
	for _, name := range []string{"main.tf", "outputs.tf"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		src.Write(b)
	}
	given := variables()
	declared := find(blocks(t), "variable")
	if len(declared) != len(given) {
		t.Errorf("%d variables are declared, this test knows %d", len(declared), len(given))
	}
	for _, v := range declared {
		name, attrs := v.Labels[0], v.Body.Attributes
		if _, ok := given[name]; !ok {
			t.Errorf("this test does not know variable %s", name)
		}
		if attrs["description"] == nil || attrs["type"] == nil {
			t.Errorf("variable %s lacks a description or a type", name)
		}
		if !regexp.MustCompile(`\bvar\.` + name + `\b`).MatchString(src.String()) {
			t.Errorf("variable %s is not used", name)
		}
		if secret := regexp.MustCompile(`token|key$`).MatchString(name); secret != (attrs["sensitive"] != nil) {
			t.Errorf("variable %s: sensitive %v, want %v", name, attrs["sensitive"] != nil, secret)
		}
	}
}

func TestTheLoggingEndpointSendsOurFormatOverTLSWithTheToken(t *testing.T) {
	service := find(blocks(t), "resource", "fastly_service_vcl", "edge")[0]
	endpoints := find(service.Body.Blocks, "logging_syslog")
	if len(endpoints) != 1 {
		t.Fatalf("%d endpoints", len(endpoints))
	}
	ctx := scope(t, variables())
	got := map[string]cty.Value{}
	for name, a := range endpoints[0].Body.Attributes {
		got[name] = value(t, ctx, a)
	}
	if f := got["format"].AsString(); f != logformat.Format() {
		t.Errorf("the format is not the generated one:\n%s", f)
	}
	if len(logformat.Lint(got["format"].AsString())) != 0 {
		t.Error("the format has findings")
	}
	for name, want := range map[string]cty.Value{
		"address": cty.StringVal("logs.shop.test"), "port": cty.NumberIntVal(6514), "token": cty.StringVal("0123456789abcdef"), "use_tls": cty.True,
		"tls_hostname": cty.StringVal("logs.shop.test"), "message_type": cty.StringVal("classic"), "format_version": cty.NumberIntVal(2), "tls_ca_cert": null,
	} {
		if !got[name].RawEquals(want) {
			t.Errorf("%s is %#v, want %#v", name, got[name], want)
		}
	}
}

func TestTheSnippetsAreTheFilesAndComeFirst(t *testing.T) {
	ctx := scope(t, variables())
	service := find(blocks(t), "resource", "fastly_service_vcl", "edge")[0]
	want := map[string]string{"recv": read(t, "recv.vcl"), "error": strings.ReplaceAll(read(t, "error.vcl"), "support@example.com", "help@shop.test")}
	for _, s := range find(service.Body.Blocks, "snippet") {
		a := s.Body.Attributes
		kind := value(t, ctx, a["type"]).AsString()
		if value(t, ctx, a["content"]).AsString() != want[kind] {
			t.Errorf("snippet %s is not the file", kind)
		}
		if p, _ := value(t, ctx, a["priority"]).AsBigFloat().Int64(); p != 5 {
			t.Errorf("snippet %s has priority %d; recv.vcl says 5", kind, p)
		}
		delete(want, kind)
	}
	if len(want) != 0 {
		t.Errorf("no snippet for %v", slices.Collect(maps.Keys(want)))
	}
	if !strings.Contains(read(t, "recv.vcl"), "priority 5") {
		t.Error("recv.vcl does not say its priority")
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../fastly", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What the VCL asks for must be there, and Terraform must leave to the blocker what is in it.
func TestListsExistAndTheirContentIsTheBlockers(t *testing.T) {
	ctx := scope(t, variables())
	all := blocks(t)
	service := find(all, "resource", "fastly_service_vcl", "edge")[0]
	vcl := read(t, "recv.vcl")
	asked := map[string]bool{}
	for _, m := range regexp.MustCompile(`[!~] (edgewarden_\w+)`).FindAllStringSubmatch(vcl, -1) {
		asked[m[1]] = true
	}
	dynamic := find(service.Body.Blocks, "dynamic", "acl")
	if len(dynamic) != 1 {
		t.Fatalf("%d blocks of ACLs", len(dynamic))
	}
	for _, v := range value(t, ctx, dynamic[0].Body.Attributes["for_each"]).AsValueSlice() {
		if !asked[v.AsString()] {
			t.Errorf("the VCL never asks ACL %s", v.AsString())
		}
		delete(asked, v.AsString())
	}
	if len(asked) != 0 {
		t.Errorf("the VCL asks for ACLs that are not made: %v", slices.Collect(maps.Keys(asked)))
	}
	dict := find(service.Body.Blocks, "dictionary")
	if len(dict) != 1 || !strings.Contains(vcl, "table.lookup("+value(t, ctx, dict[0].Body.Attributes["name"]).AsString()+",") {
		t.Error("the dictionary is not the one the VCL asks")
	}
	for resource, attr := range map[string]string{"fastly_service_acl_entries": "manage_entries", "fastly_service_dictionary_items": "manage_items"} {
		r := find(all, "resource", resource, "edgewarden")
		if len(r) != 1 || r[0].Body.Attributes[attr] == nil || !value(t, ctx, r[0].Body.Attributes[attr]).RawEquals(cty.False) {
			t.Errorf("%s: %s is not false: an apply would wipe what the blocker wrote", resource, attr)
		}
		if len(find(r[0].Body.Blocks, "entry")) != 0 {
			t.Errorf("%s writes entries", resource)
		}
	}
	if items := value(t, ctx, find(all, "resource", "fastly_service_dictionary_items", "edgewarden")[0].Body.Attributes["items"]); !items.RawEquals(cty.ObjectVal(map[string]cty.Value{"enforce_until": cty.StringVal("0")})) {
		t.Errorf("the dictionary starts with %#v, not without a lease", items)
	}
}
