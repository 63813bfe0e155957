package store

// File is the storage below the log.
func (l *Log) File() LogFile { return l.file }
