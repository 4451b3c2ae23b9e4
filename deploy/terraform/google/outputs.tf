output "log_table" {
  description = "Table for the blocker, table kind sink: its --bigquery."
  value       = "${var.project}.${google_bigquery_dataset.logs.dataset_id}.${var.log_id}"
}

output "edge_table" {
  description = "Table for the blocker, table kind fastly: its --bigquery. Null without fastly_endpoint."
  value       = var.fastly_endpoint ? "${var.project}.${google_bigquery_dataset.edge[0].dataset_id}.${google_bigquery_table.edge[0].table_id}" : null
}

output "ledger_table" {
  description = "Table for the blocker's --ledger. Null without ledger_table."
  value       = var.ledger_table ? "${var.project}.${google_bigquery_dataset.ledger[0].dataset_id}.${google_bigquery_table.ledger[0].table_id}" : null
}

output "accounts" {
  description = "Accounts of the two programs: the annotations in deploy/kubernetes/overlays/gke/settings.yaml."
  value = {
    ingest  = google_service_account.ingest.email
    blocker = google_service_account.blocker.email
  }
}

output "fastly_account_name" {
  description = "What Fastly's BigQuery endpoint calls account name. Null without fastly_endpoint."
  value       = var.fastly_endpoint ? google_service_account.fastly[0].account_id : null
}
