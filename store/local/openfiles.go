package local

import (
	"golang.org/x/sys/unix"

	"evidenced/evidence/problem"
)

const (
	// filesPerLog is how many files an open log may hold: its newest segment, its
	// journal, its sign-state, what outlives retired segments, and two while
	// it is copied or its index is merged; and half as many for logs that are opened
	// while others are being closed (store.Options.OpenLogs).
	filesPerLog = 9
	// filesBeside are for everything else: connections, sealed segments that are
	// read, the intake, the keyring.
	filesBeside = 256
	// mostLogs and fewestLogs bound how many logs stay open at a time.
	mostLogs   = 512
	fewestLogs = 16
)

// openLogs says how many logs may stay open when the process may have so many
// files open. Too few even for some logs is a problem of code refused: the daemon
// would stop logs for want of files later.
func openLogs(files uint64) (int, error) {
	if files < filesBeside+fewestLogs*filesPerLog {
		return 0, problem.New(problem.Refused, "this process may have %d files open, and needs at least %d", files, filesBeside+fewestLogs*filesPerLog).
			WithHint("raise the limit: LimitNOFILE= of the service, or ulimit -n; %d are enough for any number of tenants", filesBeside+mostLogs*filesPerLog)
	}
	return int(min((files-filesBeside)/filesPerLog, mostLogs)), nil
}

// allowedFiles returns how many files the process may have open. Go has raised
// the soft limit to the hard one when the program began.
func allowedFiles() (uint64, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, problem.Wrap(problem.Storage, err, "ask how many files may be open")
	}
	return uint64(l.Cur), nil
}
