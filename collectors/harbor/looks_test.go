package harbor

import "strings"

// narrow makes the robot of the conversation one without the right to the
// whole audit log and to all projects.
func narrow(l *lab) {
	const rights = "/registry/api/v2.0/users/current/permissions?relative=true&scope=%2Fsystem"
	l.Replace("GET "+rights, `[{"resource":"robot","action":"list"},{"resource":"quota","action":"list"},{"resource":"scanner","action":"list"},{"resource":"scanner","action":"read"},
		{"resource":"scan-all","action":"read"},{"resource":"garbage-collection","action":"read"},{"resource":"garbage-collection","action":"list"},{"resource":"purge-audit","action":"read"},
		{"resource":"purge-audit","action":"list"},{"resource":"replication-policy","action":"list"},{"resource":"replication","action":"list"}]`)
	for _, p := range []string{"tenant-7", "2048", "base"} {
		row := `[]`
		if p == "tenant-7" {
			row = `[{"id":90300,"op_time":"2026-03-03T11:00:00.000Z","username":"robot$tenant-7+ci","operation":"create","operation_result":true,"resource":"tenant-7/web:2","resource_type":"artifact"}]`
		}
		path := "GET /registry/api/v2.0/projects/" + p
		l.Replace(path+"/auditlog-exts?page=1&page_size=1&sort=-id", row)
		l.Replace(path+"/auditlog-exts?page=1&page_size=1&sort=id", row)
		l.Replace(path+"/auditlog-exts?page=1&page_size=100&q="+strings.ReplaceAll("id%3D[90299~90300]", "[", "%5B")+"&sort=id", row)
		l.Replace(path+"/logs?page=1&page_size=1&sort=-id", `[]`)
	}
}
