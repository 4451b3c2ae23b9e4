package main

// logRun leaves one line about a run in the program's log, for machines that watch it: deploy/terraform/google/alerts.tf counts
// these lines. Whoever reads text has the report on stdout.
func (p *program) logRun(rep *report, code int) {
	alerts, refused := []string{}, []string{}
	for _, s := range rep.Services {
		alerts = append(alerts, s.Alerts...)
		if s.Refused != "" {
			refused = append(refused, s.Refused)
		}
	}
	p.log.Info("run done", "run", rep.Run, "exit_code", code, "healthy", rep.healthy(), "dry_run", rep.DryRun,
		"alerts", alerts, "refused", refused, "summary", rep.line())
}
