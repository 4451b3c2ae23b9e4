package gcp

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"google.golang.org/api/option"
)

// CredentialsEnv is the environment variable that holds credentials as JSON
// text: what `gcloud iam service-accounts keys create` or `gcloud iam
// workload-identity-pools create-cred-config` write into a file.
const CredentialsEnv = "EDGEWARDEN_GOOGLE_CREDENTIALS_JSON"

// credentials is the part of a credentials JSON that is checked here. No error
// ever shows a value of it.
type credentials struct {
	Type         string `json:"type"`
	ClientEmail  string `json:"client_email"`
	PrivateKey   string `json:"private_key"`
	TokenURI     string `json:"token_uri"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	RefreshToken string `json:"refresh_token"`
	Audience     string `json:"audience"`
	TokenURL     string `json:"token_url"`
	Impersonate  string `json:"service_account_impersonation_url"`
}

// ClientOptions returns the credentials to call Google Cloud with: the JSON in
// the environment variable [CredentialsEnv], in memory only, or no option when
// it is unset or empty, and then Google's libraries find the default ones
// (Workload Identity, GOOGLE_APPLICATION_CREDENTIALS, gcloud). A value that is
// set and wrong is an error and is never passed over; the error says what is
// wrong with it and shows nothing of it.
func ClientOptions(getenv func(string) string) ([]option.ClientOption, error) {
	text := strings.TrimSpace(getenv(CredentialsEnv))
	if text == "" {
		return nil, nil
	}
	typ, err := check([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("read credentials in %s: %w", CredentialsEnv, err)
	}
	return []option.ClientOption{option.WithAuthCredentialsJSON(typ, []byte(text))}, nil
}

// check returns the kind of the credentials, or what is wrong with them.
func check(text []byte) (option.CredentialsType, error) {
	if !bytes.HasPrefix(text, []byte("{")) {
		return "", errors.New("the value is no JSON object; it must be the text of the file itself, not its path and not base64 " +
			"(a path goes into GOOGLE_APPLICATION_CREDENTIALS)")
	}
	var c credentials
	if err := json.Unmarshal(text, &c); err != nil {
		return "", errors.New(describe(err))
	}
	var missing []string
	need := func(name, value string) {
		if value == "" {
			missing = append(missing, name)
		}
	}
	typ := option.CredentialsType(c.Type)
	var err error
	switch typ {
	case option.ServiceAccount:
		need("client_email", c.ClientEmail)
		need("private_key", c.PrivateKey)
		if c.PrivateKey != "" {
			err = checkKey(c.PrivateKey)
		}
	case option.AuthorizedUser:
		need("client_id", c.ClientID)
		need("client_secret", c.ClientSecret)
		need("refresh_token", c.RefreshToken)
	case option.ExternalAccount:
		need("audience", c.Audience)
		need("token_url", c.TokenURL)
	case option.ImpersonatedServiceAccount:
		need("service_account_impersonation_url", c.Impersonate)
	case "":
		return "", errors.New(`the JSON has no "type"; is it the file that gcloud wrote?`)
	default:
		return "", errors.New(`the "type" is none of service_account, authorized_user, external_account, impersonated_service_account`)
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("the JSON of type %s lacks %s", c.Type, strings.Join(missing, ", "))
	}
	return typ, errors.Join(err, c.checkHosts())
}

// checkHosts refuses credentials that would send a secret in the clear.
// External accounts name their own token server, so hosts are not compared.
func (c *credentials) checkHosts() error {
	for _, u := range []struct{ name, value string }{
		{"token_uri", c.TokenURI}, {"token_url", c.TokenURL}, {"service_account_impersonation_url", c.Impersonate},
	} {
		if u.value == "" {
			continue
		}
		if p, err := url.Parse(u.value); err != nil || p.Scheme != "https" || p.Host == "" {
			return fmt.Errorf("its %s is no https URL", u.name)
		}
	}
	return nil
}

// checkKey finds the usual damage: line breaks lost on the way into the
// variable. Google's library would say so only at the first call.
func checkKey(key string) error {
	block, _ := pem.Decode([]byte(key))
	if block == nil {
		return errors.New(`its private_key is no PEM block; were the "\n" in it turned into something else?`)
	}
	if _, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		return nil
	}
	if _, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return nil
	}
	return errors.New("its private_key is a PEM block that holds no RSA key; it was cut or damaged")
}

// describe says where JSON is broken without quoting it.
func describe(err error) string {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("the JSON is broken at byte %d", syntax.Offset)
	case errors.As(err, &typ):
		return fmt.Sprintf("the JSON has something else than text at byte %d, where a text is expected", typ.Offset)
	}
	return "the JSON is broken"
}
