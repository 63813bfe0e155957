// Package velero collects what Velero says of backups and restores, and grades
// restores that were tests.
//
// Velero's custom resources (group velero.io, v1, and v2alpha1 of its data
// mover) are read through collectors/kube: Schedule, BackupStorageLocation,
// Backup, Restore and DeleteBackupRequest; PodVolumeBackup, PodVolumeRestore,
// DataUpload and DataDownload tell of volumes and make no draft of their own.
// What the resources leave out (texts of warnings, the list of what was
// created) is read from the result files that Velero leaves in its bucket.
//
// A Restore is a claim of the tool that made it. The verdict on a restore test
// is therefore a grade from 0 to 5, each rung with yes, no or unknown and why;
// see [grade]. What could not be seen is unknown and never counts as yes. What
// was seen once stays seen: Velero deletes restores, volumes and files together
// with the backup they came from, so inputs of a grade are kept in the cursor
// until no further proof can come.
//
// A backup or restore that is deleted does not end: it happened. How it was
// deleted is added to its record: when a watch tells it, or when a list that shows
// all there is lacks what the cursor remembers.
package velero
