package tokens

// Remove takes a record away, as somebody does who deletes a file.
func (s *Memory) Remove(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records, account)
}
