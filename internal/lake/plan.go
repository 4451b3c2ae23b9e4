package lake

// Sizes that steer merging.
const (
	// mediumBytes ends merging in an open hour: a file this large is left
	// alone until the hour has closed, so that each row is written about three
	// times in its life: in its small file, in a medium one, in the hour's.
	mediumBytes = 8 << 20
	// maxMergeBytes bounds what one merge reads, and so its time.
	maxMergeBytes = 1 << 30
	// maxMergeFiles bounds how many files one merge holds open.
	maxMergeFiles = 256
	// lateFiles and lateShare say when late rows are worth the rewriting of a
	// closed hour: at this many files in a row, or when the others together
	// have this share of the largest.
	lateFiles = 8
	lateShare = 8 // one in eight
)

// planMerges returns groups of files to merge, each into one. files are the
// live ones of an hour, ordered by spool and position; open says that the hour
// still gets rows in the ordinary course; adjacent says whether nothing can
// ever come between two neighbours of one spool.
func planMerges(files []fileInfo, open bool, adjacent func(a, b name) bool) [][]fileInfo {
	var groups [][]fileInfo
	var run []fileInfo
	var bytes int64
	end := func() {
		if worthMerging(run, open) {
			groups = append(groups, run)
		}
		run, bytes = nil, 0
	}
	for _, f := range files {
		if f.name.spool == "" || open && f.size >= mediumBytes || f.size >= maxMergeBytes {
			end()
			continue
		}
		if n := len(run); n > 0 && (n == maxMergeFiles || bytes+f.size > maxMergeBytes || !adjacent(run[n-1].name, f.name)) {
			end()
		}
		run = append(run, f)
		bytes += f.size
	}
	end()
	return groups
}

// worthMerging decides for one run of neighbours.
func worthMerging(run []fileInfo, open bool) bool {
	if len(run) < 2 {
		return false
	}
	if open || len(run) >= lateFiles {
		return true
	}
	var largest, total int64
	for _, f := range run {
		largest = max(largest, f.size)
		total += f.size
	}
	return largest < mediumBytes || (total-largest)*lateShare >= largest
}
