output "service_id" {
  description = "Id of the service: --service-id of ingest and blocker."
  value       = fastly_service_vcl.edge.id
}
