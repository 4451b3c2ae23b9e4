package main

import (
	"os"
	"os/user"
)

// actor is who acts, for the ledger: --actor, else the pod, else the user.
func (p *program) actor() string {
	if p.flags.Actor != "" {
		return p.flags.Actor
	}
	for _, name := range []string{"POD_NAME", "SUDO_USER", "USER", "LOGNAME"} {
		if v := p.getenv(name); v != "" {
			return v
		}
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

// source is where an action comes from, for the ledger.
func source() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return host + "/blocker"
}
