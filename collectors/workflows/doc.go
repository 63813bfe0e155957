// Package workflows reads Argo Workflows: every run of a Workflow (workflow.run)
// and every CronWorkflow (workflow.schedule). WorkflowTemplates and
// ClusterWorkflowTemplates are read for what their labels say their runs are for.
// What Argo Events fired is known by the labels it puts on what it makes.
//
// # One record of a run
//
// A run is one event, by uid, and amended until it ended; deleting it afterwards
// is what the controller does and no news. While it runs, nodes that wait for
// somebody (Suspend) are told alone; all others with its end. A failed run may be
// tried again and goes on under the same uid.
//
// # What is there for minutes
//
// The controller deletes ended workflows quickly. A run that began and ended
// between two looks is not known from the cluster, and one that had not ended and
// is gone was not seen to its end: that is blind, not "it did not run". The
// archive of Argo's server, where one is configured, adds what it knows. It misses
// runs by itself, so it never makes such a time seen.
//
// # Who
//
// Labels name who made a workflow and who last acted on it (resumed, stopped).
// The server shortens and rewrites what it puts there, the next action overwrites
// it, and whoever may write workflows may set it: claims. Who really did it is in
// the API server's audit log.
//
// # What may be secret
//
// Values of parameters, outputs, messages and containers are not kept; of
// parameters the names are, and the values of those that the configuration names.
package workflows
