package terraform

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// bounded reads at most max bytes, and at most one part's between two marks: of a
// plan one value is held whole at a time.
type bounded struct {
	ctx       context.Context
	r         io.Reader
	read      int64
	mark      int64 // where the newest part began
	max, most int64 // of all, and of one part, in bytes
}

// errLarge says that there is more than is read.
type errLarge struct {
	what string
	max  int64
}

// Error implements error.
func (e errLarge) Error() string { return fmt.Sprintf("%s is larger than %d bytes", e.what, e.max) }

// errUnread is an error of reading and none of what was read.
type errUnread struct{ error }

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	switch {
	case b.read > b.max:
		return 0, errLarge{planFile, b.max}
	case b.read-b.mark > b.most:
		return 0, errLarge{"one of its values", b.most}
	}
	n, err := b.r.Read(p)
	b.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = errUnread{err}
	}
	return n, err
}
