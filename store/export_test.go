package store

// File is the storage below the log.
func (l *Log) File() LogFile { return l.file }

// BreakSignState lets the next write to the sign-state fail.
func (l *Log) BreakSignState() { _ = l.sign.f.Close() }
