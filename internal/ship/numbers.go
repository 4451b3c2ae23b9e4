package ship

// Field numbers of google.logging.v2.LogEntry and of what it consists of.
// https://github.com/googleapis/googleapis/blob/master/google/logging/v2/log_entry.proto
const (
	requestEntries = 4 // WriteLogEntriesRequest.entries

	entryTextPayload = 3
	entryInsertID    = 4
	entryJSONPayload = 6
	entryHTTPRequest = 7
	entryTimestamp   = 9
	entrySeverity    = 10
	entryLabels      = 11
	entryLogName     = 12

	httpMethod       = 1
	httpURL          = 2
	httpRequestSize  = 3
	httpStatus       = 4
	httpResponseSize = 5
	httpUserAgent    = 6
	httpRemoteIP     = 7
	httpReferer      = 8
	httpCacheHit     = 9
	httpCacheLookup  = 11
	httpLatency      = 14
	httpProtocol     = 15

	structFields = 1
	mapKey       = 1
	mapValue     = 2
	valueNumber  = 2
	valueString  = 3
	valueBool    = 4
)

// Values of google.logging.type.LogSeverity.
const (
	severityInfo    = 200
	severityNotice  = 300
	severityWarning = 400
	severityError   = 500
)
