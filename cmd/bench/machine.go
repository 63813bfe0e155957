package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is what the numbers were measured on.
type machine struct {
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"` // that Go uses
	Memory     uint64 `json:"memory_bytes"`
	FileSystem string `json:"file_system"` // of the directory measured
	Kernel     string `json:"kernel"`
	Go         string `json:"go"`
	Cgo        bool   `json:"cgo"`
}

func (m machine) String() string {
	cgo := "without cgo"
	if m.Cgo {
		cgo = "with cgo"
	}
	return fmt.Sprintf("%s, %d cores, %s of memory, %s, Linux %s, %s %s",
		m.CPU, m.Cores, show(float64(m.Memory), inBytes), m.FileSystem, m.Kernel, m.Go, cgo)
}

// describe tells what it can find out; what it cannot is "unknown".
func describe(dir string) machine {
	m := machine{CPU: "unknown CPU", Cores: runtime.GOMAXPROCS(0), FileSystem: "unknown file system", Kernel: "unknown", Go: runtime.Version()}
	if v := field("/proc/cpuinfo", "model name"); v != "" {
		m.CPU = strings.Join(strings.Fields(v), " ")
	}
	var si unix.Sysinfo_t
	if unix.Sysinfo(&si) == nil {
		m.Memory = uint64(si.Totalram) * uint64(si.Unit)
	}
	var un unix.Utsname
	if unix.Uname(&un) == nil {
		m.Kernel = unix.ByteSliceToString(un.Release[:])
	}
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) == nil {
		name, ok := fileSystems[int64(fs.Type)]
		if !ok {
			name = fmt.Sprintf("file system %#x", uint32(fs.Type))
		}
		m.FileSystem = name
	}
	if bi, ok := debug.ReadBuildInfo(); ok {
		for _, s := range bi.Settings {
			m.Cgo = m.Cgo || s.Key == "CGO_ENABLED" && s.Value == "1"
		}
	}
	return m
}

// fileSystems are magic numbers from statfs(2). On a tmpfs nothing is durable,
// and the table must not look as if it were.
var fileSystems = map[int64]string{
	0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x2fc12fc1: "zfs", 0xf2f52010: "f2fs",
	0x794c7630: "overlayfs", 0x01021994: "tmpfs (nothing is durable)",
}

// field returns the first value of a "name : value" line of a file in /proc.
func field(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if k, v, ok := strings.Cut(sc.Text(), ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// kilobytes reads a "VmRSS: 123 kB" line of this process in bytes.
func kilobytes(name string) float64 {
	var n float64
	if _, err := fmt.Sscanf(field("/proc/self/status", name), "%g kB", &n); err != nil {
		return 0
	}
	return n * 1024
}

// Bytes on the disk of one record of this program's drafts, with its part of
// the index while that is being merged, and of everything else.
const (
	recordNeed = 3 << 10
	otherNeed  = 4 << 30
)

func diskNeed(records int) uint64 {
	n := uint64(records) * recordNeed
	return n + min(otherNeed, 2*n+64<<20)
}

// enoughDisk refuses to begin when the run would leave less than a tenth of
// what is free now.
func enoughDisk(dir string, need uint64) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("look at the file system of %s: %w", dir, err)
	}
	free := fs.Bavail * uint64(fs.Bsize)
	if need > free/10*9 {
		return fmt.Errorf("%s has %s free, the run needs %s and a tenth to spare: take fewer -records or another -dir",
			dir, show(float64(free), inBytes), show(float64(need), inBytes))
	}
	return nil
}
