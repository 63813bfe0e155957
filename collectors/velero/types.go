package velero

import (
	"encoding/json"
	"time"
)

// The parts of Velero's resources that are read. Field names are those of the
// CRDs (https://github.com/vmware-tanzu/velero, pkg/apis/velero); everything
// else stays in the record's raw bytes.

// stamp is a time that may be null.
type stamp struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler; null and "" are the zero time.
func (s *stamp) UnmarshalJSON(b []byte) error {
	if string(b) == "null" || string(b) == `""` {
		*s = stamp{}
		return nil
	}
	var t time.Time
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	s.Time = t.UTC()
	return nil
}

// texts is a list. Velero's own documents have {} for an empty one.
type texts []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *texts) UnmarshalJSON(b []byte) error {
	if string(b) == "{}" {
		*t = nil
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// selection is what backups, restores and a schedule's template cover.
type selection struct {
	IncludedNamespaces []string          `json:"includedNamespaces"`
	ExcludedNamespaces []string          `json:"excludedNamespaces"`
	IncludedResources  []string          `json:"includedResources"`
	ExcludedResources  []string          `json:"excludedResources"`
	IncludedNamespaced texts             `json:"includedNamespaceScopedResources"` // from Velero 1.11 on, in place of the two above
	ExcludedNamespaced texts             `json:"excludedNamespaceScopedResources"`
	ExcludedCluster    texts             `json:"excludedClusterScopedResources"`
	LabelSelector      json.RawMessage   `json:"labelSelector"`
	OrLabelSelectors   []json.RawMessage `json:"orLabelSelectors"`
}

type backupSpec struct {
	selection
	StorageLocation          string `json:"storageLocation"`
	TTL                      string `json:"ttl"`
	SnapshotVolumes          *bool  `json:"snapshotVolumes"`
	SnapshotMoveData         *bool  `json:"snapshotMoveData"`
	DefaultVolumesToFsBackup *bool  `json:"defaultVolumesToFsBackup"`
	DefaultVolumesToRestic   *bool  `json:"defaultVolumesToRestic"` // its name before Velero 1.10
	ResourcePolicy           *struct {
		Name string `json:"name"`
	} `json:"resourcePolicy"`
}

type hookStatus struct {
	Attempted int `json:"hooksAttempted"`
	Failed    int `json:"hooksFailed"`
}

type backupObject struct {
	Spec   backupSpec `json:"spec"`
	Status struct {
		Phase            string      `json:"phase"`
		Start            stamp       `json:"startTimestamp"`
		Completion       stamp       `json:"completionTimestamp"`
		Expiration       stamp       `json:"expiration"`
		Errors           int         `json:"errors"`
		Warnings         int         `json:"warnings"`
		FailureReason    string      `json:"failureReason"`
		ValidationErrors []string    `json:"validationErrors"`
		Progress         *progress   `json:"progress"`
		Snapshots        int         `json:"volumeSnapshotsAttempted"`
		SnapshotsDone    int         `json:"volumeSnapshotsCompleted"`
		CSISnapshots     int         `json:"csiVolumeSnapshotsAttempted"`
		CSISnapshotsDone int         `json:"csiVolumeSnapshotsCompleted"`
		Operations       int         `json:"backupItemOperationsAttempted"`
		OperationsDone   int         `json:"backupItemOperationsCompleted"`
		OperationsFailed int         `json:"backupItemOperationsFailed"`
		Hooks            *hookStatus `json:"hookStatus"`
	} `json:"status"`
}

// progress counts items. A count of zero is left out by the server, so only a
// missing progress is "not said".
type progress struct {
	Total    int `json:"totalItems"`
	BackedUp int `json:"itemsBackedUp"`
	Restored int `json:"itemsRestored"`
}

type restoreObject struct {
	Spec struct {
		selection
		BackupName             string            `json:"backupName"`
		ScheduleName           string            `json:"scheduleName"`
		NamespaceMapping       map[string]string `json:"namespaceMapping"`
		RestorePVs             *bool             `json:"restorePVs"`
		ExistingResourcePolicy string            `json:"existingResourcePolicy"`
	} `json:"spec"`
	Status struct {
		Phase            string      `json:"phase"`
		Start            stamp       `json:"startTimestamp"`
		Completion       stamp       `json:"completionTimestamp"`
		Errors           int         `json:"errors"`
		Warnings         int         `json:"warnings"`
		FailureReason    string      `json:"failureReason"`
		ValidationErrors []string    `json:"validationErrors"`
		Progress         *progress   `json:"progress"`
		Operations       int         `json:"restoreItemOperationsAttempted"`
		OperationsDone   int         `json:"restoreItemOperationsCompleted"`
		OperationsFailed int         `json:"restoreItemOperationsFailed"`
		Hooks            *hookStatus `json:"hookStatus"`
	} `json:"status"`
}

type scheduleObject struct {
	Spec struct {
		Schedule string     `json:"schedule"`
		Template backupSpec `json:"template"`
		Paused   bool       `json:"paused"`
	} `json:"spec"`
	Status struct {
		Phase            string   `json:"phase"`
		LastBackup       stamp    `json:"lastBackup"`
		LastSkipped      stamp    `json:"lastSkipped"`
		ValidationErrors []string `json:"validationErrors"`
	} `json:"status"`
}

type locationObject struct {
	Spec struct {
		Provider      string `json:"provider"`
		ObjectStorage struct {
			Bucket string `json:"bucket"`
			Prefix string `json:"prefix"`
		} `json:"objectStorage"`
		Config     map[string]string `json:"config"`
		AccessMode string            `json:"accessMode"`
		Default    bool              `json:"default"`
	} `json:"spec"`
	Status struct {
		Phase          string `json:"phase"`
		LastSynced     stamp  `json:"lastSyncedTime"`
		LastValidation stamp  `json:"lastValidationTime"`
	} `json:"status"`
}

type deleteRequest struct {
	Spec struct {
		BackupName string `json:"backupName"`
	} `json:"spec"`
}

// volumeObject is what PodVolumeBackup, PodVolumeRestore, DataUpload and
// DataDownload have in common for us.
type volumeObject struct {
	Spec struct {
		Pod struct {
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
		} `json:"pod"`
		Volume          string `json:"volume"`
		SourceNamespace string `json:"sourceNamespace"`
		SourcePVC       string `json:"sourcePVC"`
		TargetVolume    struct {
			Namespace string `json:"namespace"`
			PVC       string `json:"pvc"`
		} `json:"targetVolume"`
	} `json:"spec"`
	Status struct {
		Phase    string `json:"phase"`
		Snapshot string `json:"snapshotID"` // of backups and uploads
		Progress *struct {
			Total int64 `json:"totalBytes"`
			Done  int64 `json:"bytesDone"`
		} `json:"progress"`
	} `json:"status"`
}

type jobObject struct {
	Status struct {
		Completion stamp `json:"completionTime"`
		Conditions []struct {
			Type       string `json:"type"`
			Status     string `json:"status"`
			Transition stamp  `json:"lastTransitionTime"`
		} `json:"conditions"`
	} `json:"status"`
}

type workflowObject struct {
	Status struct {
		Compressed string `json:"compressedNodes"`
		Offloaded  string `json:"offloadNodeStatusVersion"`
		Nodes      map[string]struct {
			Type         string `json:"type"`
			Name         string `json:"name"`
			DisplayName  string `json:"displayName"`
			BoundaryID   string `json:"boundaryID"` // the node whose template it is a part of
			TemplateName string `json:"templateName"`
			Phase        string `json:"phase"`
			FinishedAt   stamp  `json:"finishedAt"`
			Memo         struct {
				Hit bool `json:"hit"` // the outcome of an earlier run: nothing ran
			} `json:"memoizationStatus"`
		} `json:"nodes"`
	} `json:"status"`
}
