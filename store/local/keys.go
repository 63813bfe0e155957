package local

import (
	"context"
	"io"

	"evidenced/store/keyring"
)

// Rewrap changes how the wrapping key of the keyring is kept, under the lock of
// the directory. From makes the wrapping that the keyring says it has; file is
// where its wrapped key lies. It returns the kind before, whether the old
// wrapping key is gone for everybody, and if not why.
func Rewrap(ctx context.Context, dir, keysDir string, from func(d keyring.Description, file string) (keyring.Wrapping, error), to keyring.Wrapping) (before string, gone bool, why string, err error) {
	lock, err := takeLock(dir, 0)
	if err != nil {
		return "", false, "", err
	}
	defer lock.Close()
	d, err := keyring.Describe(keysDir)
	if err != nil {
		return "", false, "", err
	}
	w, err := from(d, d.File(keysDir))
	if err != nil {
		return d.Kind, false, "", err
	}
	k, err := keyring.OpenWith(ctx, keyring.Options{Dir: keysDir, Wrapping: w})
	if err != nil {
		return d.Kind, false, "", err
	}
	defer k.Close()
	gone, why, err = k.Rewrap(ctx, to)
	return d.Kind, gone, why, err
}

// RestoreKeys writes the keyring and signing keys of a backup into keysDir,
// under the lock of the data directory, which must exist.
func RestoreKeys(ctx context.Context, dir, keysDir string, r io.Reader, passphrase string, w keyring.Wrapping) error {
	lock, err := takeLock(dir, 0)
	if err != nil {
		return err
	}
	defer lock.Close()
	return keyring.Restore(ctx, r, passphrase, keysDir, w)
}
