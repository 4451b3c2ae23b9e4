# Tables of our own: the ledger, and the one for Fastly's own BigQuery endpoint.

# Who did what and why. It is kept for ever, and terraform destroy leaves it.
resource "google_bigquery_dataset" "ledger" {
  count = var.ledger_table ? 1 : 0

  dataset_id  = "edgewarden_ledger"
  description = "The blocker's audit trail"
  location    = var.location
}

resource "google_bigquery_table" "ledger" {
  count = var.ledger_table ? 1 : 0

  dataset_id          = google_bigquery_dataset.ledger[0].dataset_id
  table_id            = "events"
  description         = "One audit record a row; the records of a run are chained by hashes"
  schema              = file("${path.module}/ledger.schema.json")
  clustering          = ["run"]
  deletion_protection = true

  time_partitioning {
    type  = "DAY"
    field = "time"
  }
}

# Fastly's endpoint writes row by row what its format renders, so names and types are those of the log format. Clustered by
# address and partitioned by hour: a run reads an hour or two of it.
resource "google_bigquery_dataset" "edge" {
  count = var.fastly_endpoint ? 1 : 0

  dataset_id  = "edgewarden_edge"
  description = "Requests at the edge, written by Fastly's BigQuery endpoint"
  location    = var.location
}

resource "google_bigquery_table" "edge" {
  count = var.fastly_endpoint ? 1 : 0

  dataset_id               = google_bigquery_dataset.edge[0].dataset_id
  table_id                 = "requests"
  description              = "One request a row"
  schema                   = file("${path.module}/fastly.schema.json")
  clustering               = ["client_ip"]
  require_partition_filter = true
  deletion_protection      = true

  time_partitioning {
    type          = "HOUR"
    field         = "timestamp"
    expiration_ms = var.table_days * 86400000
  }
}
