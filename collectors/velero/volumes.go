package velero

import (
	"fmt"
	"slices"
	"strings"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// volumes are the volumes whose data was kept or brought back, as objects tell
// them, in this process.
type volumes map[string]map[string]volume // by owner (uid, or namespace/name), then by the object's uid

type volume struct {
	key   string // the same for a volume's backup and its restore; namespaces by their name in the target
	phase string
	told  bool // bytes were told
	total int64
	done  int64
	// empty: the volume held nothing when it was kept. Some versions of Velero take
	// no snapshot then, which nothing restores, and others one of no bytes.
	empty bool
}

// maxOwners bounds how many backups or restores have their volumes kept.
const maxOwners = 20000

func (v volumes) put(owner, uid string, one volume) {
	if v[owner] == nil {
		if len(v) >= maxOwners {
			return
		}
		v[owner] = map[string]volume{}
	}
	v[owner][uid] = one
}

func (v volumes) drop(owner, uid string) {
	if delete(v[owner], uid); len(v[owner]) == 0 {
		delete(v, owner)
	}
}

// podVolumeKey names a volume of a pod, claimKey one by its claim.
func podVolumeKey(namespace, pod, volume string) string {
	return "pod/" + namespace + "/" + pod + "/" + volume
}
func claimKey(namespace, claim string) string { return "claim/" + namespace + "/" + claim }

// splitKey takes a key apart: its kind with a slash, the namespace, and the rest
// with a slash before it.
func splitKey(key string) (kind, namespace, rest string) {
	kind, rest, _ = strings.Cut(key, "/")
	namespace, rest, _ = strings.Cut(rest, "/")
	return kind + "/", namespace, "/" + rest
}

// ownerOf finds the backup or restore that a volume object belongs to: the
// owner reference, the label with the uid, or the label with the name.
func ownerOf(o *kube.Object, kind, uidLabel, nameLabel string) string {
	for _, w := range o.Owners {
		if w.Kind == kind && w.UID != "" {
			return w.UID
		}
	}
	if uid := o.Labels[uidLabel]; uid != "" {
		return uid
	}
	if name := o.Labels[nameLabel]; name != "" {
		return o.Namespace + "/" + name
	}
	return ""
}

func readVolume(o *kube.Object) (volume, error) {
	var v volumeObject
	if err := o.Decode(&v); err != nil {
		return volume{}, err
	}
	one := volume{phase: v.Status.Phase}
	switch s := &v.Spec; {
	case s.Pod.Name != "":
		one.key = podVolumeKey(s.Pod.Namespace, s.Pod.Name, s.Volume)
	case s.TargetVolume.PVC != "":
		one.key = claimKey(s.TargetVolume.Namespace, s.TargetVolume.PVC)
	default:
		one.key = claimKey(s.SourceNamespace, s.SourcePVC)
	}
	if p := v.Status.Progress; p != nil {
		one.told, one.total, one.done = true, p.Total, p.Done
	}
	one.empty = one.phase == completed && one.total == 0 && one.done == 0 && (one.told || v.Status.Snapshot == "")
	return one, nil
}

// volumeSum says how the volumes of a test's scope came back.
type volumeSum struct {
	Wanted  int    `json:"wanted"` // -1: not known
	Why     string `json:"why,omitempty"`
	Done    int    `json:"done,omitempty"`
	Failed  int    `json:"failed,omitempty"`
	Unknown int    `json:"unknown,omitempty"`
	Example string `json:"example,omitempty"` // the first that failed or is not known
	Bytes   int64  `json:"bytes,omitempty"`
}

func (s *volumeSum) tries() *evidence.Tries {
	if s.Wanted < 0 {
		return nil
	}
	return &evidence.Tries{Attempted: s.Wanted, Completed: s.Done, Failed: s.Failed}
}

// better reports whether s tells more than old does. Objects vanish with the
// backup they came from: what was seen to come back is not taken back.
func (s *volumeSum) better(old *volumeSum) bool {
	switch {
	case s.Wanted != old.Wanted:
		return s.Wanted > old.Wanted
	case s.Done != old.Done:
		return s.Done > old.Done
	}
	return s.Unknown <= old.Unknown
}

// wish is one volume that a complete restore brings back.
type wish struct {
	Key      string `json:"key"`                // in the target
	Snapshot bool   `json:"snapshot,omitempty"` // by a snapshot, which no object tells of
	Without  string `json:"without,omitempty"`  // why there is nothing to bring back
}

// wishes are the volumes of the scope by the backup's volumeinfo file. One that
// was empty is none: there is nothing to bring back.
func wishes(r *restoreSum, infos []volumeInfo) []wish {
	var ws []wish
	for i := range infos {
		v := infos[i]
		ns := v.Namespace
		if v.BackupMethod == byPodVolume && v.PVB != nil {
			ns = v.PVB.Namespace
		}
		if !slices.Contains(r.Sources, ns) || v.empty() {
			continue
		}
		to := target(r.Into, ns)
		v.Namespace = to
		if v.PVB != nil {
			pvb := *v.PVB
			pvb.Namespace = to
			v.PVB = &pvb
		}
		w := wish{Key: v.key(), Snapshot: !v.Moved && (v.BackupMethod == bySnapshot || v.BackupMethod == byCSISnapshot)}
		switch {
		case v.Skipped:
			w.Without = "the backup left it out"
		case v.Result == "failed":
			w.Without = "its backup failed"
		}
		ws = append(ws, w)
	}
	return ws
}

// wishesOf are the volumes of the scope by the objects that moved their data,
// without those that were empty.
func wishesOf(r *restoreSum, kept map[string]volume) []wish {
	var ws []wish
	for _, v := range kept {
		kind, ns, rest := splitKey(v.key)
		if !slices.Contains(r.Sources, ns) || v.empty {
			continue
		}
		w := wish{Key: kind + target(r.Into, ns) + rest}
		if v.phase != completed {
			w.Without = "its backup is " + v.phase
		}
		ws = append(ws, w)
	}
	slices.SortFunc(ws, func(a, b wish) int { return strings.Compare(a.Key, b.Key) })
	return ws
}

// settle sets the wishes beside what came back. Whole says that a restore of a
// volume that was not seen is not there. Snapshots are the volumes that the
// restore's volumeinfo file says it made of snapshots; nil when it was not
// read.
func settle(ws []wish, got map[string]volume, whole bool, snapshots map[string]bool) volumeSum {
	s := volumeSum{Wanted: len(ws)}
	byKey := map[string]volume{}
	for _, v := range got {
		if old, ok := byKey[v.key]; !ok || old.phase != completed {
			byKey[v.key] = v
		}
	}
	note := func(n *int, w wish, why string) {
		*n++
		if s.Example == "" || n == &s.Failed && s.Failed == 1 {
			s.Example = fmt.Sprintf("volume %s: %s", w.Key, why)
		}
	}
	for _, w := range ws {
		v, ok := byKey[w.Key]
		switch {
		case w.Without != "":
			note(&s.Failed, w, w.Without)
		case w.Snapshot && snapshots == nil:
			note(&s.Unknown, w, "it came from a snapshot, of which only the restore's volumeinfo file tells")
		case w.Snapshot && !snapshots[w.Key]:
			note(&s.Failed, w, "it was not made from its snapshot")
		case w.Snapshot:
			s.Done++
		case !ok && !whole:
			note(&s.Unknown, w, "its restore was not seen")
		case !ok:
			note(&s.Failed, w, "nothing restored it")
		case v.phase != completed:
			note(&s.Failed, w, "its restore is "+v.phase)
		case !v.told:
			note(&s.Unknown, w, "its restore tells no bytes")
		case v.total <= 0 || v.done != v.total:
			note(&s.Failed, w, fmt.Sprintf("%d of %d bytes came back", v.done, v.total))
		default:
			s.Done++
			s.Bytes += v.done
		}
	}
	return s
}
