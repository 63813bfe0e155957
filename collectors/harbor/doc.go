// Package harbor collects from a Harbor registry which bytes a project could
// run, what was known of their weaknesses at the time, whether they were signed
// and had a bill of materials, who pushed, pulled, deleted or loosened a rule,
// and which machine accounts had access.
//
// It reads the REST API below /api/v2.0, and never writes:
//
//   - artifact.image, artifact.sbom, artifact.signature: every artifact of
//     every visible project at every look. A scan moves no time stamp of a
//     repository, so nothing shorter than the list itself tells that a scan
//     state changed;
//   - artifact.scan: each scan that ended, with its whole report, read as soon
//     as the list shows a report that was not read yet: a rescan deletes the
//     report before it;
//   - registry.audit: the audit log, both forms, by id. Ids and not times,
//     since the server reads a time of a query in a zone it does not name;
//   - registry.project, registry.rule, registry.run, registry.robot,
//     access.member: settings, rules, what ran under them, and who has access,
//     every settings_every.
//
// A list is walked by id, each page from behind the last one, so that neither
// what is deleted nor what is added meanwhile makes it skip anything.
//
// A project that cannot be read does not hold up the others: the run is then
// partial and says which. A 401 and a rate limit end the run; the next one goes
// on where it stopped.
package harbor
