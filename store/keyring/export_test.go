package keyring

import "context"

// Open opens the keyring in dir, or begins one, with the wrapping key in a local
// file.
func Open(dir string) (*Keyring, error) {
	return OpenWith(context.Background(), Options{Dir: dir, Create: true})
}
