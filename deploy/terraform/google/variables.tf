variable "project" {
  description = "Google Cloud project for logs, tables and accounts."
  type        = string
}

variable "location" {
  description = "Where the datasets are: the blocker's --location. It cannot be changed later."
  type        = string
  default     = "EU"
}

variable "log_bucket_location" {
  description = "Where the log bucket is: a region, or global. It cannot be changed later."
  type        = string
  default     = "global"
}

variable "log_id" {
  description = "Name of the log that ingest writes: its --log-id. Heartbeats go to the same name with _heartbeat."
  type        = string
  default     = "fastly"

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,60}$", var.log_id))
    error_message = "The name becomes a table's: lower-case letters, digits and underscores."
  }
}

variable "retention_days" {
  description = "How long the log bucket keeps lines, heartbeats and the programs' own logs. PCI DSS 10.5.1 asks for 12 months."
  type        = number
  default     = 400

  validation {
    condition     = var.retention_days >= 365 && var.retention_days <= 3650
    error_message = "At least 365 and at most 3650 days."
  }
}

variable "lock_log_bucket" {
  description = "Lock the log bucket: nobody can shorten its retention or delete it with logs in it any more. This cannot be undone."
  type        = bool
  default     = false
}

variable "table_days" {
  description = "How long BigQuery keeps requests. Rules look back hours, a backtest weeks."
  type        = number
  default     = 45
}

variable "fastly_endpoint" {
  description = "Make a table for Fastly's own BigQuery endpoint, an account that may write it, and let Fastly act as that account. The blocker reads it with --table-kind fastly."
  type        = bool
  default     = false
}

variable "fastly_account_id" {
  description = "Name of the account that Fastly's endpoint acts as. Fastly acts for all its customers as one and the same account, so this name is part of what keeps others out of the table: with fastly_endpoint choose one that nobody guesses."
  type        = string
  default     = "edgewarden-fastly"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.fastly_account_id))
    error_message = "6 to 30 lower-case letters, digits and dashes, beginning with a letter."
  }
}

variable "ledger_table" {
  description = "Make a table for the blocker's ledger."
  type        = bool
  default     = true
}

variable "workload_identity" {
  description = "Let the pods of deploy/kubernetes act as the accounts. It needs a cluster with Workload Identity in this project."
  type        = bool
  default     = true
}

variable "namespace" {
  description = "Kubernetes namespace of edgewarden."
  type        = string
  default     = "edgewarden"
}

variable "period_minutes" {
  description = "How often the blocker runs: its period. No successful run in two of them is an alert."
  type        = number
  default     = 5
}

variable "notification_channels" {
  description = "Cloud Monitoring channels that alerts go to, as projects/PROJECT/notificationChannels/ID."
  type        = list(string)
  default     = []
}
