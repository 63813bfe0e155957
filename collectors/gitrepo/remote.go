package gitrepo

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"evidenced/evidence/problem"
)

// pinPrefix holds a ref for every head ever fetched that nothing newer keeps
// alive, so that a "git gc" on the mirror loses no rewritten history. The refs
// are named by object id and hold no branch name.
const pinPrefix = "refs/evidence/"

// openRemote fetches what is new into the mirror and opens it. The refs are
// the server's own, as advertised.
func (l *look) openRemote() (map[string]plumbing.Hash, error) {
	dir, err := l.mirror()
	if err != nil {
		return nil, err
	}
	refs, edges, err := l.fetch(dir)
	if err != nil {
		return nil, err
	}
	if l.objs, err = openObjects(dir, dir, l.cfg.MaxObjectBytes); err != nil {
		return nil, err
	}
	for _, h := range edges {
		l.objs.shallows[h] = true
	}
	return refs, nil
}

// mirrorDir is the repository's mirror directory. Its name holds a hash of the
// URL: another URL is another mirror.
func (c *Collector) mirrorDir(t target) string {
	sum := sha256.Sum256([]byte(t.dial))
	return filepath.Join(c.cfg.MirrorDir, strings.ReplaceAll(t.Name, "/", "_")+"-"+hex.EncodeToString(sum[:6])+".git")
}

// mirror returns the repository's mirror directory, made when it is not there.
func (l *look) mirror() (string, error) {
	dir := l.mirrorDir(l.t)
	if _, err := os.Stat(filepath.Join(dir, "HEAD")); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", problem.Wrap(problem.Storage, err, "make the mirror").
			WithHint("check that the daemon's user may write to mirror_dir")
	}
	s := openMirror(dir)
	defer s.Close()
	if _, err := git.Init(s, nil); err != nil && !errors.Is(err, git.ErrRepositoryAlreadyExists) {
		return "", problem.Wrap(problem.Storage, err, "make the mirror")
	}
	return dir, nil
}

func openMirror(dir string) *filesystem.Storage {
	return filesystem.NewStorageWithOptions(osfs.New(dir, osfs.WithBoundOS()),
		cache.NewObjectLRU(cacheBytes), filesystem.Options{KeepDescriptors: true})
}

// fetch asks the server for its refs and for the objects that are missing. It
// also returns the commits below which the server itself has nothing.
func (l *look) fetch(dir string) (map[string]plumbing.Hash, []plumbing.Hash, error) {
	sess, err := l.session()
	if err != nil {
		return nil, nil, l.remoteError(err)
	}
	defer sess.Close()
	// Not every transport hands the context on to what it waits for.
	stop := context.AfterFunc(l.ctx, func() { _ = sess.Close() })
	defer stop()
	l.wire.requests++
	ar, err := sess.AdvertisedReferencesContext(l.ctx)
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return map[string]plumbing.Hash{}, nil, nil
	}
	if err != nil {
		return nil, nil, l.remoteError(err)
	}
	refs := map[string]plumbing.Hash{}
	for name, h := range ar.References {
		if strings.HasPrefix(name, headPrefix) || strings.HasPrefix(name, tagPrefix) {
			refs[name] = h
		}
	}
	store := openMirror(dir)
	defer store.Close()
	if err := l.download(sess, ar, store, refs); err != nil {
		return nil, nil, err
	}
	return refs, ar.Shallows, nil
}

// download brings the objects that refs need and the mirror lacks.
func (l *look) download(sess transport.UploadPackSession, ar *packp.AdvRefs, store *filesystem.Storage, refs map[string]plumbing.Hash) error {
	req := packp.NewUploadPackRequestFromCapabilities(ar.Capabilities)
	for _, c := range []capability.Capability{capability.ThinPack, capability.MultiACK, capability.MultiACKDetailed} {
		req.Capabilities.Delete(c)
	}
	if ar.Capabilities.Supports(capability.NoProgress) {
		if err := req.Capabilities.Set(capability.NoProgress); err != nil {
			return fmt.Errorf("ask for no progress: %w", err)
		}
	}
	want := map[plumbing.Hash]bool{}
	for _, h := range refs {
		if !want[h] && store.HasEncodedObject(h) != nil {
			want[h] = true
			req.Wants = append(req.Wants, h)
		}
	}
	pins, err := readPins(store)
	if err != nil {
		return problem.Wrap(problem.Storage, err, "read the mirror")
	}
	if len(req.Wants) > 0 {
		for h := range pins {
			req.Haves = append(req.Haves, h)
		}
		l.wire.requests++
		resp, err := sess.UploadPack(l.ctx, req)
		if err != nil {
			return l.remoteError(err)
		}
		defer resp.Close()
		if err := l.storePack(store, demux(req.Capabilities, resp)); err != nil {
			sweep(store)
			return err
		}
		for h := range want {
			if store.HasEncodedObject(h) != nil {
				return problem.New(problem.Source, "the server sent a pack without object %s that it had announced", h)
			}
		}
	}
	return pin(store, refs, pins)
}

// sweep removes the file of a pack that came to nothing; the library leaves
// it.
func sweep(store *filesystem.Storage) {
	fs := store.Filesystem()
	files, err := fs.ReadDir("objects/pack")
	if err != nil {
		return // there is nothing that could be removed
	}
	for _, f := range files {
		if strings.HasPrefix(f.Name(), "tmp_pack_") {
			_ = fs.Remove(fs.Join("objects/pack", f.Name())) // tried again after the next failure
		}
	}
}

func demux(caps *capability.List, r io.Reader) io.Reader {
	switch {
	case caps.Supports(capability.Sideband64k):
		return sideband.NewDemuxer(sideband.Sideband64k, r)
	case caps.Supports(capability.Sideband):
		return sideband.NewDemuxer(sideband.Sideband, r)
	}
	return r
}

// storePack writes a pack into the mirror when it keeps to the caps. A pack
// that is cut or damaged leaves nothing behind.
func (l *look) storePack(store *filesystem.Storage, r io.Reader) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = problem.New(problem.Source, "the pack cannot be read: %v", p)
		}
	}()
	br := bufio.NewReader(capPack(r, l.cfg.MaxPackBytes))
	head, err := br.Peek(12) // "PACK", version, number of objects: gitformat-pack
	if err != nil {
		return problem.Wrap(problem.Source, err, "the server's pack ends early")
	}
	if string(head[:4]) != "PACK" {
		return problem.New(problem.Source, "the server sent no pack")
	}
	if n := int64(binary.BigEndian.Uint32(head[8:])); n > l.cfg.MaxObjects {
		return problem.New(problem.Refused, "the server's pack holds %d objects, at most %d are taken", n, l.cfg.MaxObjects).
			WithHint("raise max_objects if the repository is that large")
	}
	f, remove, err := keepPack(store.Filesystem(), br)
	if err != nil {
		return l.notWhole(err)
	}
	defer remove()
	if err := scanPack(bufio.NewReader(f)); err != nil {
		return l.notWhole(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return problem.Wrap(problem.Storage, err, "read the mirror")
	}
	if err := packfile.UpdateObjectStorage(store, f); err != nil {
		return l.notWhole(err)
	}
	return nil
}

// capped is a reader that fails once more than max bytes came.
type capped struct {
	r         io.Reader
	left, max int64
	what, do  string // what is read, and what to do when it is right
}

// capPack caps a pack, or the answer that holds one.
func capPack(r io.Reader, max int64) *capped {
	return &capped{r: r, left: max, max: max, what: "pack", do: "raise max_pack_bytes if the repository is that large"}
}

func (c *capped) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, problem.New(problem.Refused, "the server's %s is larger than %d bytes", c.what, c.max).WithHint("%s", c.do)
	}
	return n, err
}

func readPins(store *filesystem.Storage) (map[plumbing.Hash]bool, error) {
	pins := map[plumbing.Hash]bool{}
	list, err := listRefs(store.Filesystem(), pinPrefix)
	if err != nil {
		return nil, err
	}
	for _, h := range list.at { // one that a crash left empty is written anew when it is needed
		pins[h] = true
	}
	return pins, nil
}

func pin(store *filesystem.Storage, refs map[string]plumbing.Hash, pins map[plumbing.Hash]bool) error {
	for _, h := range refs {
		if pins[h] {
			continue
		}
		pins[h] = true
		ref := plumbing.NewHashReference(plumbing.ReferenceName(pinPrefix+h.String()), h)
		if err := store.SetReference(ref); err != nil {
			return problem.Wrap(problem.Storage, err, "write to the mirror")
		}
	}
	return nil
}

// unpin removes the pins of former heads that the present ones keep alive.
func (l *look) unpin() error {
	store := l.objs.stores[0]
	now := map[string]bool{}
	for _, b := range l.heads {
		now[b.sha.String()] = true
	}
	for _, h := range l.every {
		now[h.String()] = true
	}
	for id, was := range l.old.Heads {
		if now[was.SHA] || l.rewritten[id] {
			continue
		}
		err := store.RemoveReference(plumbing.ReferenceName(pinPrefix + was.SHA))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return problem.Wrap(problem.Storage, err, "write to the mirror")
		}
	}
	return nil
}

// remoteError turns what a transport said into an error for people. Tokens
// never are in the URL, so no text of a transport holds one.
func (l *look) remoteError(err error) error {
	if l.ctx.Err() != nil {
		return l.ctx.Err()
	}
	if p := problem.Of(err); p != nil {
		return p
	}
	text := err.Error()
	switch {
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed),
		strings.Contains(text, "unable to authenticate"):
		return problem.Wrap(problem.Credential, err, "the server at %s refused the credential", l.t.show).
			WithHint("make a read-only deploy key or a token with read access to this repository")
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return problem.Wrap(problem.Source, err, "no repository at %s", l.t.show).
			WithHint("check the URL; servers also answer so when the credential may not see it")
	case strings.Contains(text, "knownhosts: key mismatch"):
		return problem.Wrap(problem.Refused, err, "the host at %s shows another key than known_hosts_file holds", l.t.show).
			WithHint("ask the host's owner whether the key was changed before you change the file")
	case strings.Contains(text, "knownhosts: key is unknown"):
		return problem.Wrap(problem.Refused, err, "the key of the host at %s is not in known_hosts_file", l.t.show).
			WithHint("add it after comparing it with the one the host's owner publishes")
	}
	return problem.Wrap(problem.Source, err, "talk to %s", l.t.show).
		WithHint("check the network path and that the server is up")
}
