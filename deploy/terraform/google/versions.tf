terraform {
  required_version = ">= 1.3"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.0"
    }
  }
}

# The provider takes its credentials from the environment (Application Default Credentials).
provider "google" {
  project = var.project
}
