# Who may do what. There are no keys: pods act as these accounts by Workload Identity, Fastly by impersonation.

resource "google_service_account" "ingest" {
  account_id   = "edgewarden-ingest"
  display_name = "edgewarden ingest: writes lines to Cloud Logging"
}

resource "google_service_account" "blocker" {
  account_id   = "edgewarden-blocker"
  display_name = "edgewarden blocker: reads requests from BigQuery"
}

resource "google_project_iam_member" "ingest_writes_logs" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = google_service_account.ingest.member
}

# Running a query is granted on the project that pays; what it may read and write, below and no wider.
resource "google_project_iam_member" "blocker_runs_queries" {
  project = var.project
  role    = "roles/bigquery.jobUser"
  member  = google_service_account.blocker.member
}

resource "google_project_iam_member" "blocker_writes_metrics" {
  project = var.project
  role    = "roles/monitoring.metricWriter"
  member  = google_service_account.blocker.member
}

resource "google_bigquery_dataset_iam_member" "blocker_reads_logs" {
  dataset_id = google_bigquery_dataset.logs.dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = google_service_account.blocker.member
}

resource "google_bigquery_table_iam_member" "blocker_reads_edge" {
  count = var.fastly_endpoint ? 1 : 0

  dataset_id = google_bigquery_dataset.edge[0].dataset_id
  table_id   = google_bigquery_table.edge[0].table_id
  role       = "roles/bigquery.dataViewer"
  member     = google_service_account.blocker.member
}

# BigQuery has no permission to add rows without the one to change them; a changed row breaks its chain (blocker audit verify).
resource "google_bigquery_table_iam_member" "blocker_writes_ledger" {
  count = var.ledger_table ? 1 : 0

  dataset_id = google_bigquery_dataset.ledger[0].dataset_id
  table_id   = google_bigquery_table.ledger[0].table_id
  role       = "roles/bigquery.dataEditor"
  member     = google_service_account.blocker.member
}

resource "google_service_account_iam_member" "ingest_pods" {
  count = var.workload_identity ? 1 : 0

  service_account_id = google_service_account.ingest.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project}.svc.id.goog[${var.namespace}/edgewarden-ingest]"
}

resource "google_service_account_iam_member" "blocker_pods" {
  count = var.workload_identity ? 1 : 0

  service_account_id = google_service_account.blocker.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project}.svc.id.goog[${var.namespace}/edgewarden-blocker]"
}

# Fastly's endpoint names this account and gets short-lived tokens for it. It may change one table and no other. Its name and the
# table's are all that another customer of Fastly would have to know.
# https://docs.fastly.com/en/guides/configuring-google-iam-service-account-impersonation-for-fastly-logging
resource "google_service_account" "fastly" {
  count = var.fastly_endpoint ? 1 : 0

  account_id   = var.fastly_account_id
  display_name = "Fastly's BigQuery endpoint: writes requests into one table"
}

resource "google_service_account_iam_member" "fastly_impersonates" {
  count = var.fastly_endpoint ? 1 : 0

  service_account_id = google_service_account.fastly[0].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = "serviceAccount:fastly-logging@datalog-bulleit-9e86.iam.gserviceaccount.com"
}

resource "google_bigquery_table_iam_member" "fastly_writes_edge" {
  count = var.fastly_endpoint ? 1 : 0

  dataset_id = google_bigquery_dataset.edge[0].dataset_id
  table_id   = google_bigquery_table.edge[0].table_id
  role       = "roles/bigquery.dataEditor"
  member     = google_service_account.fastly[0].member
}
