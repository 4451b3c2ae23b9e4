# A Fastly service with everything that edgewarden needs at the edge.
#
# Your service exists already? Do not import it into this file: whatever is not written here would be removed. Copy the
# part between the two lines into your own fastly_service_vcl, and the two resources below it, with their names changed.

locals {
  edge = "${path.module}/../../fastly" # recv.vcl, error.vcl and log.format

  # The blocker fills the first two, in this order; recv.vcl asks them by name.
  acls = ["edgewarden_1", "edgewarden_2", "edgewarden_exempt", "edgewarden_shadow"]
}

resource "fastly_service_vcl" "edge" {
  name = var.service_name

  domain {
    name = var.domain
  }

  backend {
    name              = "origin"
    address           = var.backend_address
    port              = 443
    use_ssl           = true
    ssl_cert_hostname = var.backend_address
    ssl_sni_hostname  = var.backend_address
  }

  # --- edgewarden ---

  dynamic "acl" {
    for_each = local.acls
    content {
      name = acl.value
    }
  }

  dictionary {
    name = "edgewarden_control"
  }

  # Before anything that looks at the client: 100 is the default.
  snippet {
    name     = "edgewarden_recv"
    type     = "recv"
    priority = 5
    content  = file("${local.edge}/recv.vcl")
  }

  snippet {
    name     = "edgewarden_error"
    type     = "error"
    priority = 5
    content  = replace(file("${local.edge}/error.vcl"), "support@example.com", var.contact)
  }

  # The format is read from a file: written here, each of its %{ would have to be %%{.
  logging_syslog {
    name            = "edgewarden"
    address         = var.log_address
    port            = var.log_port
    message_type    = "classic" # the token is sent with it; with blank it is not
    format_version  = 2         # in vcl_log, when all byte counts are final
    format          = file("${local.edge}/log.format")
    token           = var.log_token
    use_tls         = true
    tls_hostname    = coalesce(var.log_tls_hostname, var.log_address)
    tls_ca_cert     = var.log_tls_ca_cert
    tls_client_cert = var.log_tls_client_cert
    tls_client_key  = var.log_tls_client_key
  }

  # --- end of edgewarden ---

  lifecycle {
    precondition {
      condition     = var.log_token != null || (var.log_tls_client_cert != null && var.log_tls_client_key != null)
      error_message = "Give log_token, or log_tls_client_cert and log_tls_client_key: from senders that nothing authenticates no address is ever blocked."
    }
  }
}

# The entries are the blocker's. With manage_entries = true every apply would put them back to what is written here:
# nothing, so that all blocks and exemptions were gone.
resource "fastly_service_acl_entries" "edgewarden" {
  for_each = toset(local.acls)

  service_id     = fastly_service_vcl.edge.id
  acl_id         = one([for a in fastly_service_vcl.edge.acl : a.acl_id if a.name == each.key])
  manage_entries = false
}

# The items are the blocker's, too. A new service starts without a lease: nothing is enforced until the first run.
resource "fastly_service_dictionary_items" "edgewarden" {
  service_id    = fastly_service_vcl.edge.id
  dictionary_id = one([for d in fastly_service_vcl.edge.dictionary : d.dictionary_id if d.name == "edgewarden_control"])
  manage_items  = false

  items = {
    enforce_until = "0"
  }
}
