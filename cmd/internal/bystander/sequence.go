package bystander

import "sync"

// sequence is a list of numbers that several goroutines keep.
type sequence struct {
	mu   sync.Mutex
	list []int
}

func (s *sequence) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, n)
}

// without are those that are not in a set.
func (s *sequence) without(set map[int]bool) (left []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.list {
		if !set[n] {
			left = append(left, n)
		}
	}
	return left
}
