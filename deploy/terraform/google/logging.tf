# Where lines go once ingest has written them to Cloud Logging:
#
#   log fastly, log fastly_heartbeat, the pods' own logs --> bucket edgewarden (a year and more)
#   log fastly, log fastly_heartbeat                     --> BigQuery, which the blocker asks
#
# and not into _Default, which would store and bill each line a second time.

locals {
  lines = "log_id(\"${var.log_id}\") OR log_id(\"${var.log_id}_heartbeat\")"
  pods  = "resource.type=\"k8s_container\" AND resource.labels.namespace_name=\"${var.namespace}\""
}

resource "google_logging_project_bucket_config" "edgewarden" {
  project        = var.project
  location       = var.log_bucket_location
  bucket_id      = "edgewarden"
  description    = "Requests at the edge, and what edgewarden did about them"
  retention_days = var.retention_days
  locked         = var.lock_log_bucket
}

resource "google_logging_project_sink" "bucket" {
  name                   = "edgewarden-bucket"
  description            = "edgewarden: lines, heartbeats and the programs' own logs into a bucket of their own"
  destination            = "logging.googleapis.com/${google_logging_project_bucket_config.edgewarden.id}"
  filter                 = "${local.lines} OR (${local.pods})"
  unique_writer_identity = true
}

# The sink above must be there first, or lines go nowhere for a moment.
resource "google_logging_project_exclusion" "default" {
  name        = "edgewarden-not-in-default"
  description = "Kept by the bucket edgewarden"
  filter      = "${local.lines} OR (${local.pods})"

  depends_on = [google_logging_project_sink.bucket]
}

resource "google_bigquery_dataset" "logs" {
  dataset_id                      = "edgewarden_logs"
  description                     = "Requests at the edge, written by the Log Router"
  location                        = var.location
  default_partition_expiration_ms = var.table_days * 86400000
}

# Table fastly appears with the first line: partitioned by day of the event time.
resource "google_logging_project_sink" "bigquery" {
  name                   = "edgewarden-bigquery"
  description            = "edgewarden: lines and heartbeats for the blocker"
  destination            = "bigquery.googleapis.com/${google_bigquery_dataset.logs.id}"
  filter                 = local.lines
  unique_writer_identity = true

  bigquery_options {
    use_partitioned_tables = true
  }
}

resource "google_bigquery_dataset_iam_member" "sink_writes_logs" {
  dataset_id = google_bigquery_dataset.logs.dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = google_logging_project_sink.bigquery.writer_identity
}
