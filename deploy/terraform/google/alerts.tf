# Alerts, each with what to do. Those on the blocker rest on the one line it logs after every run with --log-format json, counted
# by log-based metrics; those on ingest on its own metrics, collected by Managed Service for Prometheus (docs/metrics.md).

locals {
  run = "${local.pods} AND jsonPayload.message=\"run done\" AND jsonPayload.dry_run=false"

  # What is counted in the lines of runs. The texts are those of the blocker's alerts.
  run_metrics = {
    runs_ok      = "jsonPayload.healthy=true"
    runs_failed  = "jsonPayload.exit_code=1 OR jsonPayload.exit_code=4 OR jsonPayload.exit_code=64"
    runs_refused = "jsonPayload.exit_code=3"
    stale_data   = "jsonPayload.alerts=~\"old: is ingest shipping|no rows|rows is trusted\""
    acl_full     = "jsonPayload.alerts=~\"add a block ACL, have Fastly raise the limit\""
    not_enforced = "jsonPayload.alerts=~\"is not referenced by the active version|requests passed since|the lease ended at\""
  }

  count_runs = "sum(increase(logging_googleapis_com:user_edgewarden_%s{monitored_resource=\"k8s_container\"}[%dm]))"
  two        = 2 * var.period_minutes

  alerts = {
    no_run = {
      title    = "no successful run of the blocker in two periods"
      severity = "CRITICAL"
      minutes  = 0
      query    = "absent_over_time(logging_googleapis_com:user_edgewarden_runs_ok{monitored_resource=\"k8s_container\"}[${local.two + 2}m]) or ${format(local.count_runs, "runs_ok", local.two + 2)} < 1"
      do       = "Blocks are not released in time, and the edge stops enforcing when the lease (24 h) ends. Look at the last pods: kubectl -n ${var.namespace} get jobs,pods; kubectl logs. The log says which of store, Fastly and configuration failed; blocker check finds it out."
    }
    run_failed = {
      title    = "runs of the blocker fail"
      severity = "ERROR"
      minutes  = 0
      query    = "${format(local.count_runs, "runs_failed", 3 * local.two)} >= 3"
      do       = "Three runs failed, or did their work in part. The pod's log says why; blocker check asks store and Fastly."
    }
    refused = {
      title    = "the guard refused, or the blocker is stopped"
      severity = "ERROR"
      minutes  = 0
      query    = "${format(local.count_runs, "runs_refused", local.two)} >= 1"
      do       = "The report names the limit. Look at the plan (blocker plan -o plan.json), and lift one limit for it if it is right: blocker apply plan.json --override LIMIT --reason ... If somebody pulled the kill switch, blocker audit show --since 24h says who and why."
    }
    stale_data = {
      title    = "the blocker sees no fresh rows"
      severity = "ERROR"
      minutes  = 0
      query    = "${format(local.count_runs, "stale_data", local.two)} >= 2"
      do       = "Nobody is blocked on stale data. Look at ingest first, then at the sink edgewarden-bigquery and its dataset."
    }
    acl_full = {
      title    = "the block ACLs are nearly full"
      severity = "WARNING"
      minutes  = 0
      query    = "${format(local.count_runs, "acl_full", 60)} >= 1"
      do       = "Add a block ACL to the service and to acls in the configuration, have Fastly raise the limit, or block for a shorter time. The least harmful entries are evicted when they are full."
    }
    not_enforced = {
      title    = "blocks are not enforced at the edge"
      severity = "CRITICAL"
      minutes  = 0
      query    = "${format(local.count_runs, "not_enforced", local.two)} >= 1"
      do       = "Blocked addresses still get through. Is the VCL of deploy/fastly in the active version, and does it name every block ACL? blocker check says which it does not."
    }
    ingest_down = {
      title    = "no ingest answers"
      severity = "CRITICAL"
      minutes  = 5
      query    = "absent(edgewarden_ingest_start_timestamp_seconds)"
      do       = "Fastly drops lines while nobody takes them. kubectl -n ${var.namespace} get pods; a pod that is not ready says why at /readyz."
    }
    ingest_loss = {
      title    = "ingest loses lines"
      severity = "CRITICAL"
      minutes  = 0
      query    = "sum by (reason) (increase(edgewarden_ingest_dropped_lines_total[5m])) > 0 or sum by (sink) (increase(edgewarden_ingest_dead_letters_dropped_total[5m])) > 0"
      do       = "The label says why. auth: the token of the logging endpoint and ingest's differ. spool_full, spool_error: the disk, or nothing is shipped. sender_share: one sender floods."
    }
    dead_letters = {
      title    = "Cloud Logging refuses lines for good"
      severity = "WARNING"
      minutes  = 0
      query    = "sum(increase(edgewarden_ingest_dead_letters_total[15m])) > 0"
      do       = "They are kept in dead-letter files. ingest's log has the reason; ingest spool replay sends them again."
    }
    spool_grows = {
      title    = "ingest's spool fills up"
      severity = "ERROR"
      minutes  = 5
      query    = "max(edgewarden_ingest_spool_bytes / edgewarden_ingest_spool_max_bytes) > 0.5 or max(edgewarden_ingest_oldest_queued_age_seconds) > 300"
      do       = "Cloud Logging does not take lines as fast as they come. Nothing is lost while the spool has room. ingest's log says which code and what to do."
    }
    no_lines = {
      title    = "no lines, or none from a service"
      severity = "ERROR"
      minutes  = 5
      query    = "time() - max(edgewarden_ingest_last_line_timestamp_seconds) > 600 or time() - max by (service_id) (edgewarden_ingest_service_last_line_timestamp_seconds > 0) > 600"
      do       = "Fastly reports errors of the logging endpoint on the service's page. A changed format, token or certificate, or a load balancer without a ready pod. Services are watched with --expect-service."
    }
    certificate = {
      title    = "ingest's certificate ends soon"
      severity = "WARNING"
      minutes  = 60
      query    = "min(edgewarden_ingest_certificate_expiry_timestamp_seconds) - time() < 14 * 86400"
      do       = "Put a new one into the Secret edgewarden-ingest-tls; it is read again without a restart. When it ends, Fastly sends nothing more."
    }
  }
}

resource "google_logging_metric" "runs" {
  for_each = local.run_metrics

  name        = "edgewarden/${each.key}"
  description = "Runs of the blocker: ${each.value}"
  filter      = "${local.run} AND (${each.value})"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }
}

resource "google_monitoring_alert_policy" "edgewarden" {
  for_each = local.alerts

  display_name          = "edgewarden: ${each.value.title}"
  severity              = each.value.severity
  combiner              = "OR"
  notification_channels = var.notification_channels

  conditions {
    display_name = each.value.title

    condition_prometheus_query_language {
      query               = each.value.query
      duration            = "${each.value.minutes * 60}s"
      evaluation_interval = "60s"
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "${each.value.do}\n\nMore in docs/runbook.md#alert-${each.key}."
  }

  alert_strategy {
    auto_close = "86400s"
  }

  # A query may name only metrics that exist.
  depends_on = [google_logging_metric.runs]
}
