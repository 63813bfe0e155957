package witness

// Name returns the witness's name.
func (s *Signer) Name() string { return s.name }
