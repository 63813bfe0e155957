package bucket

import (
	"net/url"
	"path/filepath"
	"strings"

	"evidenced/evidence/problem"
)

// Config says where the objects are: in a directory or in a bucket that speaks
// S3. The zero value is "nowhere".
type Config struct {
	// Directory is an absolute path below which the keys are file names.
	Directory string `yaml:"directory" loosens:"change: objects are looked for elsewhere"`
	// Endpoint is the address of the storage: https://s3.example, without a
	// path. The bucket stands in the path of each request, never in the host
	// name.
	Endpoint string `yaml:"endpoint" loosens:"change: objects are looked for elsewhere"`
	// Region is part of each signature; us-east-1 when left out, as most
	// servers other than AWS expect.
	Region string `yaml:"region" loosens:"none"`
	Bucket string `yaml:"bucket" loosens:"change: objects are looked for elsewhere"`
	// Prefix stands before every key, in a bucket and in a directory.
	Prefix string `yaml:"prefix" loosens:"differs: objects are looked for elsewhere"`
	// AccessKey is the id of the key, SecretFile the file that holds the secret
	// part. The file is read for each request.
	AccessKey  string `yaml:"access_key" loosens:"none"`
	SecretFile string `yaml:"secret_file" loosens:"none"`
	// CAFile holds PEM certificates trusted for the endpoint, in place of the
	// system's.
	CAFile string `yaml:"ca_file" loosens:"change: another authority vouches for the storage"`
}

// IsZero reports whether nothing is configured.
func (c Config) IsZero() bool { return c == Config{} }

// Check reports the first thing to mend. Errors are problem.Config.
func (c Config) Check() error {
	bad := func(hint, format string, args ...any) error {
		return problem.New(problem.Config, format, args...).WithHint("%s", hint)
	}
	if !keyOK(strings.TrimSuffix(c.Prefix, "/")) && c.Prefix != "" {
		return bad("write it without a leading slash, as in velero/", "prefix %q is no beginning of a key", c.Prefix)
	}
	if c.Directory != "" {
		if c.Endpoint != "" || c.Bucket != "" || c.AccessKey != "" || c.SecretFile != "" || c.CAFile != "" || c.Region != "" {
			return bad("keep one of them", "both a directory and a bucket are set")
		}
		if !filepath.IsAbs(c.Directory) {
			return bad("write the path from the root", "directory %q is no absolute path", c.Directory)
		}
		return nil
	}
	u, err := url.Parse(c.Endpoint)
	switch {
	case c.Endpoint == "":
		return bad("set endpoint, as in https://s3.example, or directory", "neither a directory nor an endpoint is set")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		// The text may hold a password: it is not repeated.
		return bad("write scheme and host alone, as in https://s3.example", "endpoint is no address of a storage")
	case len(c.Bucket) < 3 || len(c.Bucket) > 63 || strings.ContainsAny(c.Bucket, "/ "):
		return bad("set bucket to its name alone", "bucket %q is no name of a bucket", c.Bucket)
	case c.AccessKey == "" || c.SecretFile == "":
		return bad("make a key that may read only (deploy/access)", "access_key or secret_file is missing")
	}
	return nil
}

// keyOK reports whether a key is a plain relative path: no empty, . or ..
// segment, no control character, no backslash. Names of foreign objects become
// part of keys, so none may reach outside its folder.
func keyOK(key string) bool {
	if key == "" || len(key) > 1024 {
		return false
	}
	for _, seg := range strings.Split(key, "/") {
		if seg == "" || seg == "." || seg == ".." {
			return false
		}
	}
	return strings.IndexFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' || r == 0xfffd }) < 0
}
