variable "service_name" {
  description = "Name of the Fastly service."
  type        = string
}

variable "domain" {
  description = "Domain that the service answers for."
  type        = string
}

variable "backend_address" {
  description = "Host name or address of the origin; it is asked over TLS on port 443."
  type        = string
}

variable "log_address" {
  description = "Host name at which ingest listens, reachable from Fastly's public ranges. Fastly takes a host name or an IPv4 address, no IPv6 address."
  type        = string
}

variable "log_port" {
  description = "Port at which ingest listens."
  type        = number
  default     = 6514
}

variable "log_token" {
  description = "Token that each line begins with: the first line of ingest's --token-file. Null when a client certificate authenticates Fastly. It is kept in the Terraform state, so keep that encrypted."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = var.log_token == null || can(regex("^[!-~]{16,}$", var.log_token))
    error_message = "The token must be at least 16 printable ASCII characters without spaces."
  }
}

variable "log_tls_hostname" {
  description = "Name that ingest's certificate must carry as a subject alternative name. Null for log_address."
  type        = string
  default     = null
}

variable "log_tls_ca_cert" {
  description = "PEM certificate that signs ingest's certificate. Null for the public authorities."
  type        = string
  default     = null
}

variable "log_tls_client_cert" {
  description = "PEM client certificate that Fastly presents to ingest (its --client-ca). Null for none."
  type        = string
  default     = null
}

variable "log_tls_client_key" {
  description = "PEM key of log_tls_client_cert."
  type        = string
  default     = null
  sensitive   = true
}

variable "contact" {
  description = "What the block page tells a customer to write to: a mail address or a URL."
  type        = string

  validation {
    condition     = can(regex("^[^\"\\n{}%]+$", var.contact)) && !endswith(var.contact, "example.com")
    error_message = "The contact must be a real one, without quotes, braces and percent signs."
  }
}
