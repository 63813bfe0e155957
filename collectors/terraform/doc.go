// Package terraform collects from HCP Terraform and Terraform Enterprise what was
// changed by infrastructure as code, who asked for it and who confirmed it, which
// policies it passed or was let past, and what stands in each state: resources by
// address, type and provider, and never a value of them.
//
// It reads the API below /api/v2, and never writes:
//
//   - infra.workspace: every workspace that the credential sees, at each look;
//   - infra.run: the runs of each workspace, newest first, from the newest down to
//     what was read before. The list knows no time to begin at, so a page in which
//     everything is known ends the walk, and a run that had not ended is read again
//     by itself until it has;
//   - infra.state: the versions of each state whose workspace names another current
//     one than before;
//   - access.audit: the audit trail of the organization, where a token for it is
//     configured. The platform keeps 14 days of it.
//
// State and plan hold secrets in clear. Neither is ever downloaded: what is told
// of them are the counts and the list of resources that the API gives beside the
// addresses to download from. Those addresses are themselves secrets, as are run
// variables; what is kept raw is built from a list of what may stay (see reduce),
// not by taking out what may not.
//
// Where Terraform runs elsewhere, [FileCollector] reads what pipelines leave in a
// directory: plans, outputs of applies and states, of which it keeps no value
// either.
//
// The API answers 404 for what is not there and for what may not be seen. So a
// workspace that is gone from the list ends only where the configuration says that
// the credential sees all of them.
package terraform
