// Package metrics writes the numbers of a program that ends to Cloud Monitoring, where a scrape would come too late.
//
// In come a table of metrics and one value for each series. [Write] makes the descriptors that are missing, then writes the points,
// at most 200 series a call. Nothing is kept and nothing is repeated: a point that is lost is missing from a graph, and one that was
// written twice would be refused, since points of a series must lie five seconds apart.
//
// https://cloud.google.com/monitoring/quotas#custom_metrics_quotas
package metrics
