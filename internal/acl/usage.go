package acl

// Usage is how full the block ACLs are.
type Usage struct {
	Ours     int // entries of ours
	Foreign  int // entries of others, which take places too
	Capacity int // places in all ACLs that the active version has
}

// Free is how many places are left; never negative.
func (u Usage) Free() int { return max(0, u.Capacity-u.Ours-u.Foreign) }

// Room is how many places ours may take: all but those that others hold. It is what ledger.Forecast asks for.
func (u Usage) Room() int { return max(0, u.Capacity-u.Foreign) }

// Usage counts the entries of the block ACLs; capacity is what one ACL holds, 0 means 1000.
func (s *Snapshot) Usage(capacity int) Usage {
	if capacity == 0 {
		capacity = DefaultCapacity
	}
	var u Usage
	for _, l := range s.of(roleBlock) {
		if l.ID == "" {
			continue
		}
		u.Capacity += capacity
		for _, e := range l.Entries {
			if e.Ours {
				u.Ours++
			} else {
				u.Foreign++
			}
		}
	}
	return u
}
