package anchor

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// onOtherDevice reports whether dir lies on another device than the log's data
// directory. A folder that is not there yet counts as its nearest parent. A
// path that cannot be looked at counts as the same device: nothing is claimed.
func onOtherDevice(dir, data string) bool {
	a, ok1 := deviceOf(dir)
	b, ok2 := deviceOf(data)
	return ok1 && ok2 && a != b
}

func deviceOf(path string) (uint64, bool) {
	for {
		st, err := os.Stat(path)
		if err == nil {
			sys, ok := st.Sys().(*syscall.Stat_t)
			if !ok {
				return 0, false
			}
			return uint64(sys.Dev), true
		}
		up := filepath.Dir(path)
		if !os.IsNotExist(err) || up == path {
			return 0, false
		}
		path = up
	}
}

// OtherHost reports whether a host name or address is, by its name, not this
// machine.
func OtherHost(host string) bool { return onOtherHost(host) }

// onOtherHost reports whether the host of an address is not this machine by
// its name: a loopback address or localhost is. Another name of this machine
// cannot be told.
func onOtherHost(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return !ip.IsLoopback() && !ip.IsUnspecified()
	}
	return host != "" && host != "localhost" && host != "localhost.localdomain" && host != "ip6-localhost"
}
