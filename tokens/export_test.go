package tokens

// Remove removes a record, like a person who deletes a file.
func (s *Memory) Remove(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records, account)
}
