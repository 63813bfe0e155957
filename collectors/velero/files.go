package velero

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxFile bounds what one result file unpacks to, in bytes.
const maxFile = 64 << 20

// Keys of Velero's files in its bucket, below the location's prefix.
func restoreResultsKey(name string) string {
	return "restores/" + name + "/restore-" + name + "-results.gz"
}
func restoreListKey(name string) string {
	return "restores/" + name + "/restore-" + name + "-resource-list.json.gz"
}
func restoreVolumesKey(name string) string {
	return "restores/" + name + "/" + name + "-volumeinfo.json.gz"
}
func backupResultsKey(name string) string { return "backups/" + name + "/" + name + "-results.gz" }
func backupListKey(name string) string {
	return "backups/" + name + "/" + name + "-resource-list.json.gz"
}
func backupVolumesKey(name string) string {
	return "backups/" + name + "/" + name + "-volumeinfo.json.gz"
}

// errFile says that a result file cannot be read. The text never holds its
// content.
var errFile = errors.New("the file is not what Velero writes")

// results is what is kept of a results file: how many of its warnings say that
// an object was there already.
type results struct {
	Warnings int
	Existing int
	Errors   int
}

// parseResults reads a results file of a restore or backup, unpacked: warnings
// and errors, each by velero, cluster and namespace. Of namespaces it counts
// those of the list; nil: all.
func parseResults(b []byte, namespaces []string) (results, error) {
	var v map[string]struct {
		Velero     []string            `json:"velero"`
		Cluster    []string            `json:"cluster"`
		Namespaces map[string][]string `json:"namespaces"`
	}
	if err := decodeOne(b, &v); err != nil || v == nil {
		return results{}, errFile
	}
	var r results
	for name, part := range v {
		lists := [][]string{part.Velero, part.Cluster}
		for ns, l := range part.Namespaces {
			if namespaces == nil || slices.Contains(namespaces, ns) {
				lists = append(lists, l)
			}
		}
		for _, l := range lists {
			switch name {
			case "errors":
				r.Errors += len(l)
			case "warnings":
				r.Warnings += len(l)
				for _, text := range l {
					if strings.Contains(text, "already exists") {
						r.Existing++
					}
				}
			}
		}
	}
	return r, nil
}

// item is one object of a resource list.
type item struct{ Kind, Namespace, Name string }

// parseList reads a resource list, unpacked: for each API version and kind the
// objects, "namespace/name" or "name" of a cluster's own. In the list of a
// restore each is followed by what became of it: "(created)", "(updated)",
// "(skipped)", "(failed)"; in that of a backup the action is empty.
func parseList(b []byte) (map[item]string, error) {
	var v map[string][]string
	if err := decodeOne(b, &v); err != nil || v == nil {
		return nil, errFile
	}
	m := map[item]string{}
	for kind, entries := range v {
		for _, e := range entries {
			action := ""
			if strings.HasSuffix(e, ")") {
				if i := strings.LastIndexByte(e, '('); i >= 0 {
					e, action = e[:i], e[i+1:len(e)-1]
				}
			}
			ns, name, ok := strings.Cut(e, "/")
			if !ok {
				ns, name = "", e
			}
			if name == "" {
				return nil, errFile
			}
			m[item{kind, ns, name}] = action
		}
	}
	return m, nil
}

// volumeInfo is one volume of a volumeinfo file, of a backup or a restore.
type volumeInfo struct {
	PVC           string `json:"pvcName"`
	Namespace     string `json:"pvcNamespace"`
	PV            string `json:"pvName"`
	BackupMethod  string `json:"backupMethod"`
	RestoreMethod string `json:"restoreMethod"`
	Moved         bool   `json:"snapshotDataMoved"`
	Skipped       bool   `json:"skipped"`
	Result        string `json:"result"`
	PVB           *struct {
		Volume    string `json:"volumeName"`
		Pod       string `json:"podName"`
		Namespace string `json:"podNamespace"`
		Size      int64  `json:"size"` // in bytes
	} `json:"pvbInfo"`
}

// empty reports whether the volume of a pod held nothing when it was kept.
func (v *volumeInfo) empty() bool {
	return v.BackupMethod == byPodVolume && v.PVB != nil && v.PVB.Size == 0 && v.Result == "succeeded" && !v.Skipped
}

// Ways in which the data of a volume is kept, as volumeinfo files name them.
const (
	bySnapshot    = "NativeSnapshot"
	byCSISnapshot = "CSISnapshot"
	byPodVolume   = "PodVolumeBackup"
)

// key names the volume as the objects that move its data do; see volumeKey.
func (v *volumeInfo) key() string {
	switch {
	case v.BackupMethod == byPodVolume && v.PVB != nil:
		return podVolumeKey(v.PVB.Namespace, v.PVB.Pod, v.PVB.Volume)
	case v.PVC != "":
		return claimKey(v.Namespace, v.PVC)
	}
	return claimKey("", v.PV)
}

// parseVolumes reads a volumeinfo file, unpacked.
func parseVolumes(b []byte) ([]volumeInfo, error) {
	var v []volumeInfo
	if err := decodeOne(b, &v); err != nil {
		return nil, errFile
	}
	return v, nil
}

// decodeOne reads exactly one JSON value.
func decodeOne(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w (%T)", errFile, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errFile
	}
	return nil
}
