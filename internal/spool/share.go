package spool

// Shares keep one owner of records from filling the spool for all others. The
// rule is that of shared-memory switches, dynamic thresholds (Choudhury and
// Hahne, IEEE/ACM Transactions on Networking 6(2), 1998): an owner may hold at
// most a fixed multiple of what is still free. It needs no count of active
// owners, looks at two numbers, and whoever holds less than the others is
// refused last. With a share of 75 % the multiple is 3:
//
//	one owner alone fills                  3/4 of the cap
//	two that send all they can             3/7 each, 6/7 together
//	a hundred that send alike              3/301 each, 99.7 % together
//	one that brings a tenth of it all      is refused from 97 % on
//
// What the greedy cannot take stays free for those that come later or send
// little. While less than the share is used in all, nobody is refused.
//
// Bytes are counted where the cap counts them: in a segment file, from the
// append until the file is removed. Records found by Open belong to nobody.

// maxOwners bounds the memory for owners. Those beyond share one account: who
// can come from more addresses than Fastly has nodes gets no more for it.
const maxOwners = 4096

// crowd is the account of owners beyond maxOwners.
const crowd = "\x00"

// account is what one owner holds on disk.
type account struct {
	name string
	held int64
}

// owner finds or opens an account; nil for records of nobody. mu is held.
func (s *Spool) owner(name string) *account {
	if name == "" || s.o.OwnerShare >= wholeShare {
		return nil
	}
	a := s.owners[name]
	if a == nil && len(s.owners) >= maxOwners {
		name = crowd
		a = s.owners[name]
	}
	if a == nil {
		a = &account{name: name}
		s.owners[name] = a
	}
	return a
}

// wholeShare is an OwnerShare without effect, in percent.
const wholeShare = 100

// allows reports whether the share lets a hold n bytes more when so many are
// free. mu is held.
func (s *Spool) allows(a *account, n, free int64) bool {
	if a == nil {
		return true
	}
	share := int64(s.o.OwnerShare)
	return a.held+n <= (free-n)/(wholeShare-share)*share
}

// charge notes that a holds n bytes of g. mu is held.
func (s *Spool) charge(a *account, g *segment, n int64) {
	if a == nil {
		return
	}
	if g.owed == nil {
		g.owed = map[*account]int64{}
	}
	g.owed[a] += n
	a.held += n
}

// settle closes the accounts of a segment whose bytes are gone. mu is held.
func (s *Spool) settle(g *segment) {
	for a, n := range g.owed {
		if a.held -= n; a.held <= 0 {
			delete(s.owners, a.name)
		}
	}
	g.owed = nil
}

// forgive closes an account that was opened for an append that did not happen.
// mu is held.
func (s *Spool) forgive(a *account) {
	if a != nil && a.held == 0 {
		delete(s.owners, a.name)
	}
}

// largest is what the owner that holds most holds. mu is held.
func (s *Spool) largest() (most int64) {
	for _, a := range s.owners {
		most = max(most, a.held)
	}
	return most
}
