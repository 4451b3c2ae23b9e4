package ship

import (
	"net/url"
	"time"
)

const (
	// maxEntryBytes is what one encoded entry may have. Google's limit is
	// 256 KiB of its own internal size, which is somewhat larger than ours.
	// https://cloud.google.com/logging/quotas
	maxEntryBytes = 230 << 10

	// maxAhead is how far in the future a timestamp may lie; Google refuses
	// the entry beyond that.
	maxAhead = 24 * time.Hour

	// OriginalTimestamp is the payload key (of a text: the label) of an event
	// time that Cloud Logging would not have kept.
	OriginalTimestamp = "original_timestamp"

	// CutLabel is the label of an entry in which a field was cut; its value is
	// the size of the whole entry in bytes.
	CutLabel = "cut"
)

// logName is the full name of a log. The id's slashes are encoded, as the API
// wants them.
func logName(project, id string) string {
	return "projects/" + project + "/logs/" + url.PathEscape(id)
}
