package forge

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"evidenced/evidence"
)

// ObjectID matches a full object id of git, SHA-1 or SHA-256.
var ObjectID = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// BadBranch matches what no name of a branch can hold (git-check-ref-format(1)),
// and patterns.
var BadBranch = regexp.MustCompile(`[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|^/|/$|^$|@\{`)

// MaxPaths bounds the path references in a scope.
const MaxPaths = 200

// ObjectOrNone returns s when it is an object id, else "".
func ObjectOrNone(s string) string {
	if ObjectID.MatchString(s) {
		return s
	}
	return ""
}

// Project names a repository, project, group or organisation by its path.
func Project(authority, path string) evidence.Ref {
	return evidence.NewRef("project", authority, path)
}

// Path names a path inside a repository; one too long for a reference stands as
// its deepest directory that fits.
func Path(authority, repo, p string) evidence.Ref {
	ref := evidence.NewRef("path", authority+"/"+repo, p)
	for len(ref.String()) > evidence.MaxRef {
		i := strings.LastIndexByte(strings.TrimSuffix(ref.Name, "/*"), '/')
		if i < 0 {
			ref.Name = "*"
			break
		}
		ref.Name = ref.Name[:i] + "/*"
	}
	return ref
}

// Branch names a branch; a name too long for a reference stands as a hash.
func Branch(authority, repo, branch string) evidence.Ref {
	ref := evidence.NewRef("branch", authority, repo+"@"+branch)
	if len(ref.String()) > evidence.MaxRef {
		ref.Name = repo + "@long-" + HashID(branch)
	}
	return ref
}

// Change names a pull or merge request.
func Change(authority, repo string, number int) evidence.Ref {
	return evidence.NewRef("change", authority, fmt.Sprintf("%s!%d", repo, number))
}

// Commit names a commit, of whichever forge.
func Commit(sha string) evidence.Ref { return evidence.NewRef("commit", "", sha) }

// CommitLinks makes references of object ids, each once, and leaves room in a
// draft's links for some more. What is no object id is left out.
func CommitLinks(room int, shas ...string) []evidence.Ref {
	var refs []evidence.Ref
	for _, sha := range shas {
		r := Commit(sha)
		if ObjectID.MatchString(sha) && len(refs) < evidence.MaxLinks-room && !slices.Contains(refs, r) {
			refs = append(refs, r)
		}
	}
	return refs
}

// Scope gives what tenancy rules look at: the repository, and the changed paths
// so that a mono-repository can belong to many. Past MaxPaths, paths are cut to
// the deepest directories that are few enough, written dir/*; a list of files
// that is not whole reaches everywhere. mask cleans a path.
func Scope(authority, repo string, paths []string, whole bool, mask func(string) string) []evidence.Ref {
	set := map[string]bool{}
	for _, p := range paths {
		if p != "" {
			set[strings.TrimPrefix(mask(p), "/")] = true
		}
	}
	names := Sorted(set)
	if len(names) > MaxPaths {
		names = directories(set)
	}
	if !whole {
		names = []string{"*"}
	}
	refs := []evidence.Ref{Project(authority, repo)}
	for _, p := range names {
		if r := Path(authority, repo, p); !slices.Contains(refs, r) {
			refs = append(refs, r)
		}
	}
	return refs
}

// MentionFiles says whose the changed files in a record's facts are: who owns the
// path it has or had, or the whole repository.
func MentionFiles(authority, repo string, files []evidence.FileChange) []evidence.Mention {
	if len(files) == 0 {
		return nil
	}
	of := make([][]evidence.Ref, len(files))
	for i, f := range files {
		of[i] = append(of[i], Path(authority, repo, f.Path))
		if f.From != "" {
			of[i] = append(of[i], Path(authority, repo, f.From))
		}
	}
	return []evidence.Mention{{At: "/files", Names: []string{"path", "from"}, Of: of, Within: Project(authority, repo)}}
}

func directories(set map[string]bool) []string {
	depth := 0
	for p := range set {
		depth = max(depth, strings.Count(p, "/"))
	}
	for depth = min(depth, 32); depth > 0; depth-- {
		dirs := map[string]bool{}
		for p := range set {
			parts := strings.Split(p, "/")
			if len(parts) > 1 {
				p = strings.Join(parts[:min(depth, len(parts)-1)], "/") + "/*"
			}
			dirs[p] = true
		}
		if len(dirs) <= MaxPaths {
			return Sorted(dirs)
		}
	}
	return []string{"*"}
}

// Sorted gives the keys of a set in order.
func Sorted[V any](set map[string]V) []string { return slices.Sorted(maps.Keys(set)) }
