package spool

import "os"

// Disk lets a test decide what a disk does. It is a seam inside the package
// because no real disk fails on demand.
type Disk struct {
	Write   func(f *os.File, b []byte, off int64) (int, error)
	Sync    func(f *os.File) error
	SyncDir func(dir string) error
}

// OpenOn opens a spool on d.
func OpenOn(o Options, d Disk) (*Spool, error) {
	return open(o, func(s *Spool) {
		if d.Write != nil {
			s.write = d.Write
		}
		if d.Sync != nil {
			s.sync = d.Sync
		}
		if d.SyncDir != nil {
			s.syncDir = d.SyncDir
		}
	})
}
