package store

// An index holds nothing that the records do not. When an append finds it
// damaged, the log does not refuse evidence until somebody looks after it: it
// throws the index away and derives it again, while the append waits. It does
// so once while it is resident: a disk that damages it again has to be looked
// at. Questions do not wait for that: they say what is damaged.

// mend derives a damaged index again. Only the committer calls it. It returns
// the damage when it may not, or why it could not.
func (l *Log) mend(damage error) error {
	if l.mended {
		return damage
	}
	l.mended = true
	l.st.o.Log.Warn("index damaged: derived again from the records", "tenant", l.tenant.String(), "err", damage)
	l.settle()
	if err := l.deriveIndex(); err != nil {
		l.st.o.Log.Error("index not derived", "tenant", l.tenant.String(), "err", err)
		return err
	}
	return nil
}

// deriveIndex throws the index away and derives it again. Nothing is on its
// way to the disk.
func (l *Log) deriveIndex() error {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	l.viewMu.Lock()
	defer l.viewMu.Unlock()
	if err := l.index.Reset(); err != nil {
		return err
	}
	l.recent = recents{}
	if err := l.catchUpIndex(); err != nil {
		return err
	}
	l.mu.Lock()
	l.flushErr = nil
	l.mu.Unlock()
	return nil
}
