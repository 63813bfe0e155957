package demo

// Unanswered is what nobody planted and still cannot be told here: no source of
// this platform tells what would answer it. Its pipelines leave no reports, and it
// shows neither network rules, policy engines, alerting, infrastructure as code
// nor workflows.
func Unanswered() []Hide {
	return []Hide{{everyLog, []string{
		"pipe-reports",
		"infra-approved", "infra-independent", "infra-policy",
	}, "not-configured"}}
}
