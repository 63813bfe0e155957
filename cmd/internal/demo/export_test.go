package demo

// Unanswered is what nobody planted and still cannot be told here: no source of
// this platform leaves what would answer it.
func Unanswered() []Hide { return []Hide{{everyLog, []string{"pipe-reports"}, "not-configured"}} }
