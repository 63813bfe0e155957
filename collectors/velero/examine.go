package velero

import (
	"context"
	"errors"

	"evidenced/collectors"
	"evidenced/collectors/bucket"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// nobody is the name of a backup and restore that is not there: asking for its
// files tells what the credential may read without reading anything.
const nobody = "evidenced-doctor"

// Examine implements collectors.Examiner: the cluster by the engine, and the
// result files.
func (s *source) Examine(ctx context.Context) (collectors.Examination, error) {
	e, ok := s.Collector.(collectors.Examiner)
	if !ok {
		return collectors.Examination{}, errNoEngine
	}
	x, err := e.Examine(ctx)
	if err != nil {
		return x, err
	}
	return x, s.c.examineFiles(ctx, &x)
}

func (c *collector) examineFiles(ctx context.Context, x *collectors.Examination) error {
	kinds := []evidence.Kind{evidence.BackupTest}
	if c.files == nil {
		x.Rights = append(x.Rights, collectors.Right{Name: "Velero's result files", Access: collectors.Untold, Kinds: kinds,
			Hint: "set results: without the resource lists, a restore into a namespace that was there reaches grade 2 at most"})
		return nil
	}
	before := c.files.Stats().Requests
	defer func() { x.Requests += c.files.Stats().Requests - before }()
	for _, f := range []struct{ name, key string }{
		{"result files of restores", restoreResultsKey(nobody)},
		{"result files of backups", backupListKey(nobody)},
	} {
		r := collectors.Right{Name: f.name, Kinds: kinds}
		switch err := c.files.Has(ctx, f.key); {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil || errors.Is(err, bucket.ErrAbsent):
			r.Access = collectors.Readable
		case problem.Is(err, problem.Credential):
			r.Access, r.Hint = collectors.Missing, "allow s3:GetObject on the files that deploy/access/velero lists, and s3:ListBucket on the bucket"
		default:
			r.Access, r.Hint = collectors.Untold, "the object storage could not be asked: "+err.Error()
		}
		x.Rights = append(x.Rights, r)
	}
	// A storage decides on the right before it looks for the object: an answer
	// other than a refusal means that backups themselves may be read.
	if c.cfg.Results.Directory != "" {
		return ctx.Err() // a directory holds what was put there
	}
	content := "backups/" + nobody + "/" + nobody + ".tar.gz"
	if err := c.files.Has(ctx, content); ctx.Err() == nil && (err == nil || errors.Is(err, bucket.ErrAbsent)) {
		x.Rights = append(x.Rights, collectors.Right{Name: "contents of backups", Access: collectors.Excess, Kinds: kinds,
			Hint: "they hold tenants' data: limit s3:GetObject to the result files (deploy/access/velero)"})
	}
	return ctx.Err()
}
