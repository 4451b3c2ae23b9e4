package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	edge "edgewarden/deploy/fastly"
	"edgewarden/internal/logformat"
)

const setupToken = "0123456789-setup-token"

func setupArgs(more ...string) []string {
	return append([]string{"fastly-setup", "--service-id", "SVC1", "--address", "logs.shop.test:6514", "--contact", "help@shop.test"}, more...)
}

func TestFastlySetupPrintsEveryPart(t *testing.T) {
	code, out, errs := invoke(t, nil, setupArgs()...)
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{logformat.Format(), edge.Recv, edge.Error("help@shop.test"), "logging_syslog {", "manage_entries = false", `log_address = "logs.shop.test"`, "/logging/syslog", "FASTLY_API_TOKEN"} {
		if !strings.Contains(out, strings.TrimRight(want, "\n")) {
			t.Errorf("the output lacks %.80q", want)
		}
	}
	for part, want := range map[string]string{"format": logformat.Format() + "\n", "api": "#!/usr/bin/env bash\n", "vcl": "# ---- fastly/recv.vcl ----\n", "terraform": "# ---- terraform/fastly/main.tf ----\n"} {
		if _, out, _ := invoke(t, nil, setupArgs("--only", part)...); !strings.HasPrefix(out, want) {
			t.Errorf("--only %s prints %.80q", part, out)
		}
	}
}

func TestFastlySetupNeverPrintsTheToken(t *testing.T) {
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "token"), setupToken+"\nnext-token-next-token\n")
	code, out, errs := invoke(t, map[string]string{"EDGEWARDEN_TOKEN": "from-the-environment"}, setupArgs("--token-file", file)...)
	if code != exitOK || strings.Contains(out+errs, setupToken) || strings.Contains(out+errs, "next-token") || strings.Contains(out+errs, "from-the-environment") {
		t.Errorf("exit %d, or the token is in the output: %s", code, errs)
	}
}

func TestFastlySetupRefusesWhatWouldMeanSomethingElse(t *testing.T) {
	short := writeFile(t, filepath.Join(t.TempDir(), "short"), "hunter2\n")
	for _, c := range []struct {
		name, want string
		args       []string
	}{
		{"no service", "service-id", []string{"fastly-setup", "--address", "a:1"}},
		{"a service that is a path", "no Fastly service id", []string{"fastly-setup", "--service-id", "../x", "--address", "a:1"}},
		{"no port", "HOST:PORT", []string{"fastly-setup", "--service-id", "S", "--address", "logs.shop.test"}},
		{"a port that is none", "1 to 65535", []string{"fastly-setup", "--service-id", "S", "--address", "a:70000"}},
		{"IPv6", "no IPv6", []string{"fastly-setup", "--service-id", "S", "--address", "[2001:db8::1]:6514"}},
		{"a command in the host", "no host", []string{"fastly-setup", "--service-id", "S", "--address", "$(id):6514"}},
		{"a command in the endpoint", "--endpoint", setupArgs("--endpoint", "a b;c")},
		{"VCL in the contact", "--contact", setupArgs("--contact", `x" req.http.Cookie "`)},
		{"a token that is too short, and is not shown", "at least 16", setupArgs("--token-file", short)},
		{"no token file", "reading --token-file", setupArgs("--token-file", short+"-not-there")},
		{"a certificate that is none", "PEM certificate", setupArgs("--tls-ca", short)},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := invoke(t, nil, c.args...)
			if code != exitUsage || out != "" || !strings.Contains(errs, c.want) || strings.Contains(errs, "hunter2") {
				t.Errorf("exit %d, stdout %q, stderr %q, want %q", code, out, errs, c.want)
			}
		})
	}
}

func TestFastlySetupWritesFilesThatFindEachOther(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // a second time changes nothing
		if code, _, errs := invoke(t, nil, setupArgs("--dir", dir)...); code != exitOK {
			t.Fatalf("exit %d: %s", code, errs)
		}
	}
	main, err := os.ReadFile(filepath.Join(dir, "terraform", "fastly", "main.tf"))
	if err != nil || !strings.Contains(string(main), `"${path.module}/../../fastly"`) {
		t.Fatalf("main.tf: %v", err)
	}
	for _, name := range []string{"recv.vcl", "error.vcl", "log.format"} {
		if _, err := os.Stat(filepath.Join(dir, "terraform", "fastly", "..", "..", "fastly", name)); err != nil {
			t.Error(err)
		}
	}
	writeFile(t, filepath.Join(dir, "fastly", "recv.vcl"), "# mine\n")
	if code, _, errs := invoke(t, nil, setupArgs("--dir", dir)...); code != exitFailed || !strings.Contains(errs, "differs") {
		t.Errorf("exit %d: %s; want a refusal to overwrite", code, errs)
	}
}

// setupAPI keeps what the script sends, and answers as Fastly documents.
type setupAPI struct {
	t     *testing.T
	calls []string
	forms map[string]url.Values
	lists map[string]string // answers to GET, by the last part of the path
}

func (f *setupAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Fastly-Key") != "api-token" {
		http.Error(w, `{"msg":"Provided credentials are missing or invalid"}`, http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		f.t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	path := strings.TrimPrefix(r.URL.Path, "/service/SVC1")
	call := r.Method + " " + path
	f.calls = append(f.calls, call)
	f.forms[call+" "+form.Get("name")] = form
	switch {
	case call == "GET /version":
		fmt.Fprint(w, `[{"number":1,"active":false},{"number":3,"active":true},{"number":4,"active":false}]`)
	case call == "PUT /version/3/clone":
		fmt.Fprint(w, `{"number":5}`)
	case !strings.HasPrefix(path, "/version/5/"):
		f.t.Errorf("%s touches another version than the new one", call)
	case strings.HasSuffix(path, "/validate"):
		fmt.Fprint(w, f.lists["validate"])
	case r.Method == http.MethodGet:
		list, ok := f.lists[path[strings.LastIndexByte(path, '/')+1:]]
		if !ok {
			list = "[]"
		}
		fmt.Fprint(w, list)
	default:
		fmt.Fprint(w, `{}`)
	}
}

func runScript(t *testing.T, api *setupAPI, script string, env ...string) (out string, err error) {
	t.Helper()
	for _, tool := range []string{"bash", "curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s on this machine", tool)
		}
	}
	api.t, api.forms = t, map[string]url.Values{}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Env = append(append(os.Environ(), "FASTLY_API_URL="+server.URL, "FASTLY_API_TOKEN=api-token"), env...)
	b, err := cmd.CombinedOutput()
	return string(b), err
}

func TestTheAPICallsSetAServiceUp(t *testing.T) {
	token := writeFile(t, filepath.Join(t.TempDir(), "token'file"), setupToken+"\nnext-token-next-token\n")
	_, script, _ := invoke(t, nil, setupArgs("--only", "api", "--token-file", token)...)
	api := &setupAPI{lists: map[string]string{"validate": `{"status":"ok"}`}}
	out, err := runScript(t, api, script)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(out, "version/5/activate") || slices.ContainsFunc(api.calls, func(c string) bool { return strings.Contains(c, "activate") }) {
		t.Errorf("the script should leave activation to people:\n%s", out)
	}
	if strings.Contains(out, setupToken) || strings.Contains(out, "api-token") {
		t.Error("a token is in the output")
	}
	for _, name := range []string{"edgewarden_1", "edgewarden_2", "edgewarden_exempt", "edgewarden_shadow"} {
		if api.forms["POST /version/5/acl "+name] == nil {
			t.Errorf("no ACL %s", name)
		}
	}
	if api.forms["POST /version/5/dictionary edgewarden_control"] == nil {
		t.Error("no dictionary")
	}
	for kind, content := range map[string]string{"recv": edge.Recv, "error": edge.Error("help@shop.test")} {
		got := api.forms["POST /version/5/snippet edgewarden_"+kind]
		if got.Get("content") != content || got.Get("type") != kind || got.Get("dynamic") != "0" || got.Get("priority") != "5" {
			t.Errorf("snippet %s: %v", kind, got)
		}
	}
	got := api.forms["POST /version/5/logging/syslog edgewarden"]
	want := url.Values{
		"name": {"edgewarden"}, "address": {"logs.shop.test"}, "port": {"6514"}, "message_type": {"classic"}, "format_version": {"2"}, "use_tls": {"1"},
		"tls_hostname": {"logs.shop.test"}, "token": {setupToken}, "format": {logformat.Format()},
	}
	if got.Encode() != want.Encode() {
		t.Errorf("the endpoint is %v\nwant %v", got, want)
	}
}

func TestTheAPICallsKeepWhatIsThere(t *testing.T) {
	_, script, _ := invoke(t, nil, setupArgs("--only", "api")...)
	named := func(names ...string) string {
		var rows []map[string]string
		for _, n := range names {
			rows = append(rows, map[string]string{"name": n})
		}
		b, err := json.Marshal(rows)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	api := &setupAPI{lists: map[string]string{"validate": `{"status":"ok"}`, "acl": named("mine", "edgewarden_1", "edgewarden_2", "edgewarden_exempt", "edgewarden_shadow"),
		"dictionary": named("edgewarden_control"), "snippet": named("edgewarden_recv", "edgewarden_error"), "syslog": named("edgewarden")}}
	if out, err := runScript(t, api, script, "EDGEWARDEN_TOKEN="+setupToken); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, call := range api.calls {
		if call == "POST /version/5/acl" || call == "POST /version/5/dictionary" || call == "POST /version/5/logging/syslog" {
			t.Errorf("%s although it is there", call)
		}
	}
	if got := api.forms["PUT /version/5/logging/syslog/edgewarden edgewarden"]; got.Get("token") != setupToken {
		t.Errorf("the endpoint was not brought up to date: %v", api.calls)
	}
	if !slices.Contains(api.calls, "DELETE /version/5/snippet/edgewarden_recv") || !slices.Contains(api.calls, "POST /version/5/snippet") {
		t.Errorf("the snippets were not replaced: %v", api.calls)
	}
}

func TestTheAPICallsStopWhenFastlySaysNo(t *testing.T) {
	_, script, _ := invoke(t, nil, setupArgs("--only", "api")...)
	out, err := runScript(t, &setupAPI{lists: map[string]string{"validate": `{"status":"error","msg":"Syntax error at line 7"}`}}, script, "EDGEWARDEN_TOKEN="+setupToken)
	if err == nil || !strings.Contains(out, "Syntax error at line 7") || strings.Contains(out, "activate it") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := runScript(t, &setupAPI{}, script, "EDGEWARDEN_TOKEN="+setupToken, "FASTLY_API_TOKEN=wrong"); err == nil || !strings.Contains(out, "credentials") {
		t.Errorf("with a wrong token: %v\n%s", err, out)
	}
	if out, err := runScript(t, &setupAPI{}, script, "EDGEWARDEN_TOKEN="); err == nil || !strings.Contains(out, "EDGEWARDEN_TOKEN") {
		t.Errorf("without a token: %v\n%s", err, out)
	}
}
