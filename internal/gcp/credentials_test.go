package gcp_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	logging "cloud.google.com/go/logging/apiv2"

	"edgewarden/internal/gcp"
)

// env is an environment of one variable.
func env(value string) func(string) string {
	return func(name string) string {
		if name == gcp.CredentialsEnv {
			return value
		}
		return ""
	}
}

func privateKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func marshal(t *testing.T, v map[string]any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// kinds are valid credentials of each kind.
func kinds(t *testing.T) map[string]map[string]any {
	user := map[string]any{"type": "authorized_user", "client_id": "id", "client_secret": "s3cr3t", "refresh_token": "r3fr3sh"}
	return map[string]map[string]any{
		"service_account": {"type": "service_account", "project_id": "p", "private_key_id": "k", "private_key": privateKey(t),
			"client_email": "a@p.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token"},
		"authorized_user": user,
		"external_account": {"type": "external_account", "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
			"subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": "https://sts.googleapis.com/v1/token",
			"credential_source": map[string]any{"file": "/var/run/token"}},
		"impersonated_service_account": {"type": "impersonated_service_account",
			"service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken",
			"source_credentials":                user},
	}
}

// The library itself is asked whether it takes them: making its client reads
// the credentials, without a call.
func TestCredentialsOfEveryKindAreTakenByTheLibrary(t *testing.T) {
	for name, c := range kinds(t) {
		t.Run(name, func(t *testing.T) {
			opts, err := gcp.ClientOptions(env("\n " + marshal(t, c) + "\n"))
			if err != nil {
				t.Fatal(err)
			}
			if len(opts) != 1 {
				t.Fatalf("%d options, want one", len(opts))
			}
			client, err := logging.NewClient(context.Background(), opts...)
			if err != nil {
				t.Fatalf("the library refuses them: %v", err)
			}
			client.Close()
		})
	}
}

func TestWithoutTheVariableTheDefaultCredentialsAreLeftToTheLibrary(t *testing.T) {
	for _, value := range []string{"", " \n"} {
		opts, err := gcp.ClientOptions(env(value))
		if err != nil || opts != nil {
			t.Errorf("value %q: options %v, error %v; want neither", value, opts, err)
		}
	}
}

func TestBrokenCredentialsAreExplainedAndNeverShown(t *testing.T) {
	const secret = "SECRETSECRET"
	valid := func(kind string, change map[string]any) string {
		c := kinds(t)[kind]
		for k, v := range change {
			if v == nil {
				delete(c, k)
				continue
			}
			c[k] = v
		}
		return marshal(t, c)
	}
	for _, c := range []struct{ name, value, want string }{
		{"a path", "/etc/keys/" + secret + ".json", "GOOGLE_APPLICATION_CREDENTIALS"},
		{"base64", "eyJ0eXBlIjoi" + secret, "base64"},
		{"JSON that is cut", `{"type":"service_account","private_key":"` + secret, "broken at byte"},
		{"JSON with a stray character", `{"type":"service_account",` + secret, "broken at byte"},
		{"a number for a text", `{"type":"service_account","client_email":12345,"private_key":"` + secret + `"}`, "text at byte"},
		{"no type", `{"private_key":"` + secret + `"}`, `no "type"`},
		{"an unknown type", `{"type":"` + secret + `"}`, "none of"},
		{"a key without its line breaks", valid("service_account", map[string]any{"private_key": "-----BEGIN PRIVATE KEY-----" + secret}), "PEM"},
		{"a PEM block that is no key", valid("service_account", map[string]any{"private_key": "-----BEGIN PRIVATE KEY-----\nU0VDUkVUU0VDUkVU\n-----END PRIVATE KEY-----\n"}), "no RSA key"},
		{"no e-mail and no key", valid("service_account", map[string]any{"client_email": nil, "private_key": nil}), "client_email, private_key"},
		{"no refresh token", valid("authorized_user", map[string]any{"refresh_token": nil, "client_secret": secret}), "refresh_token"},
		{"no audience", valid("external_account", map[string]any{"audience": nil}), "audience"},
		{"a token server without TLS", valid("external_account", map[string]any{"token_url": "http://" + secret + "/token"}), "token_url is no https URL"},
		{"no account to impersonate", valid("impersonated_service_account", map[string]any{"service_account_impersonation_url": nil}), "impersonation_url"},
	} {
		t.Run(c.name, func(t *testing.T) {
			opts, err := gcp.ClientOptions(env(c.value))
			if err == nil {
				t.Fatalf("no error, options %v", opts)
			}
			msg := err.Error()
			if !strings.Contains(msg, c.want) || !strings.Contains(msg, gcp.CredentialsEnv) {
				t.Errorf("error %q, want one with %q that names the variable", msg, c.want)
			}
			if strings.Contains(msg, secret) || strings.Contains(msg, "U0VDUkVU") {
				t.Errorf("error %q shows the content", msg)
			}
		})
	}
}
