terraform {
  required_version = ">= 1.3"

  required_providers {
    fastly = {
      source  = "fastly/fastly"
      version = ">= 5.0"
    }
  }
}

# The provider reads its API token from FASTLY_API_KEY.
provider "fastly" {}
