package main

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"edgewarden/internal/config"
	"edgewarden/internal/detect"
	"edgewarden/internal/policy"
)

// testSubject is what rules test tests: the rules of one service.
type testSubject struct {
	service string
	set     *detect.Set
}

// testSubjects are those of all services. Where all have the same rules and classes they share one set, and no test need name a service.
type testSubjects []testSubject

// testSubjects compiles the rules of every service.
func (s *settings) testSubjects() (testSubjects, error) {
	var subjects testSubjects
	services := s.servicesOrAll()
	same := !slices.ContainsFunc(services, func(svc config.Service) bool {
		return !reflect.DeepEqual(svc.Rules, services[0].Rules) || !reflect.DeepEqual(svc.Classes, services[0].Classes)
	})
	for _, svc := range services {
		set, _, err := config.Compile(svc.Rules, s.period, svc.Classes...)
		if err == nil && len(svc.Rules) == 0 {
			err = errors.New("no rules: name a file with --rules, or put rules into --config")
		}
		if err != nil {
			return nil, usageError{err}
		}
		subjects = append(subjects, testSubject{svc.ID, set})
	}
	if same && len(subjects) > 1 {
		for i := range subjects {
			subjects[i].set = subjects[0].set
		}
	}
	return subjects, nil
}

// choose finds the service a test is for.
func (t testSubjects) choose(service string) (testSubject, error) {
	if service != "" {
		i := slices.IndexFunc(t, func(s testSubject) bool { return s.service == service || s.service == "" })
		if i < 0 {
			return testSubject{}, fmt.Errorf("there is no service %q; there is %s", service, t.names())
		}
		return t[i], nil
	}
	if slices.ContainsFunc(t, func(s testSubject) bool { return s.set != t[0].set }) {
		return testSubject{}, fmt.Errorf("which service's rules? Name one of %s with --service-id, or with the key service in the file", t.names())
	}
	return t[0], nil
}

func (t testSubjects) names() string {
	var names []string
	for _, s := range t {
		names = append(names, s.service)
	}
	return strings.Join(names, ", ")
}

// whose says of a rule that the service under test does not have which service has it, if any.
func (t testSubjects) whose(rule string, under testSubject) string {
	i := slices.IndexFunc(t, func(s testSubject) bool { return s.has(rule) })
	if i < 0 {
		return fmt.Sprintf("there is no rule %q", rule)
	}
	return fmt.Sprintf("rule %s is one of service %s, and this test is of service %s", rule, t[i].service, under.service)
}

func (s testSubject) has(rule string) bool {
	return slices.ContainsFunc(s.set.Rules(), func(r detect.Rule) bool { return r.Name == rule })
}

// fold writes an expected key as the rule counts it: an IPv6 host is its /64.
func (s testSubject) fold(want testOffender) string {
	for _, r := range s.set.Rules() {
		if r.Name != want.Rule || r.Group == detect.ByASN || r.Group == detect.ByJA4 {
			continue
		}
		if p, err := parsePrefix(want.Key); err == nil {
			return policy.Key(p)
		}
	}
	return want.Key
}
