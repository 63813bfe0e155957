package ran

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"evidenced/evidence"
	"evidenced/reports"
)

// podCount returns how many pods ran, and of how many workloads.
func (a *Answer) podCount() (pods, works int) {
	for i := range a.Running {
		if n := a.Running[i].Pods; n > 0 {
			pods += n
			works++
		}
	}
	return pods, works
}

// contradicted lists in words where what ran was not what was declared.
func (a *Answer) contradicted() []string {
	var says []string
	for _, d := range a.Differ {
		if d.Contradicts() {
			says = append(says, fmt.Sprintf("%s: %s", a.place(d.Workload), d.Says))
		}
	}
	return says
}

// place is the namespace of a workload where the answer has several.
func (a *Answer) place(workload string) string {
	ns, _, _ := strings.Cut(workload, "/")
	return ns
}

// fitWords says of how many workloads the pods fit what was declared, and
// names the others.
func (a *Answer) fitWords(fine string) string {
	by := map[Fit][]string{}
	n := 0
	for i := range a.Running {
		r := &a.Running[i]
		if r.Pods == 0 {
			continue
		}
		n++
		by[r.Fit] = append(by[r.Fit], shortApp(r.Workload))
	}
	ok := len(by[FitsDeclared])
	if ok == n {
		if n > 1 {
			return "all " + fine
		}
		return fine
	}
	if n == 1 && len(by[FitDiffers]) == 1 {
		return "not " + fine
	}
	parts := []string{fmt.Sprintf("%d %s", ok, fine)}
	for _, x := range []struct {
		fit  Fit
		says string
	}{{FitDiffers, "not"}, {FitRolling, "rolling out"}, {FitUnknown, "not known"}} {
		if names := by[x.fit]; len(names) > 0 {
			parts = append(parts, list(names, 3)+" "+x.says)
		}
	}
	return strings.Join(parts, ", ")
}

// atMost joins the first n of the texts and counts the others.
func atMost(texts []string, n int, sep string) string {
	if len(texts) <= n {
		return strings.Join(texts, sep)
	}
	return strings.Join(texts[:n], sep) + fmt.Sprintf("%s%d more", sep, len(texts)-n)
}

// textRunning writes what really ran, one row for each image of a workload.
func (a *Answer) textRunning(p *printer) {
	if p.Err() != nil {
		return
	}
	if len(a.Running) > 0 {
		a.runningTable(p)
	}
	switch looks := a.looksAt(evidence.RuntimePod); {
	case len(looks) == 0:
		p.block("PODS", "not observed: "+a.nobody(evidence.RuntimePod))
	case !a.PodsSeen:
		s := "not observed at the instant: " + cmp.Or(looks[0].Cause, "nobody looked")
		if len(a.Running) > 0 {
			s += "; what was last seen before is told above"
		}
		p.block("PODS", s)
	case len(a.Running) == 0:
		p.block("PODS", "none")
	}
	label := "DIFFERS"
	for _, d := range a.Differ {
		paint := p.Style.Warn
		word := ""
		switch {
		case d.Contradicts():
			paint = p.Style.Bad
		case d.Rolling:
			word = "rolling out: "
		case d.Sort == Unjoined:
			word = "not known: "
		}
		p.PaintedPara(fmt.Sprintf("%-*s", labelW, label), paint, fmt.Sprintf("%s%s  [%s]", word, d.Says, reports.Seqs(d.Seqs, 6)))
		label = ""
	}
}

func (a *Answer) runningTable(p *printer) {
	var clusters, namespaces []string
	for i := range a.Running {
		clusters, namespaces = with(clusters, a.Running[i].Cluster), with(namespaces, a.Running[i].Namespace)
	}
	t := &reports.Table{Columns: []reports.Column{
		{Title: "RUNNING"}, {Title: "PODS", Right: true}, {Title: "IMAGE"}, {Title: "SINCE (UTC)", Keep: true}, {Title: "WHERE"}, {Title: "DECLARED"},
	}}
	for i := range a.Running {
		r := &a.Running[i]
		name := r.Workload
		if len(namespaces) > 1 {
			name = r.Namespace + "/" + name
		}
		if len(clusters) > 1 {
			name = r.Cluster + ":" + name
		}
		paint := reports.Plain
		switch r.Fit {
		case FitDiffers:
			paint = p.Style.Bad
		case FitRolling, FitUnknown:
			paint = p.Style.Warn
		}
		pods := fmt.Sprint(r.Pods)
		if r.Waiting > 0 {
			pods += fmt.Sprintf(" of %d", r.Pods+r.Waiting)
		}
		if len(r.Images) == 0 {
			t.PaintedRow(paint, name, pods, "", "", "", a.declaredWords(r))
			continue
		}
		for j := range r.Images {
			m := &r.Images[j]
			since := reports.Near(m.Since, a.At)
			if j == 0 {
				t.PaintedRow(paint, name, pods, shortImage(m.runs()), since, where(r), a.declaredWords(r))
				continue
			}
			t.PaintedRow(paint, "", "", shortImage(m.runs()), since)
		}
	}
	p.Table(t)
	p.Line("")
}

// where says in which regions the pods ran; without regions, on how many nodes.
func where(r *Running) string {
	if len(r.Regions) > 0 {
		return strings.Join(r.Regions, ", ")
	}
	return reports.Count(len(r.Nodes), "node")
}

func (a *Answer) declaredWords(r *Running) string {
	switch r.Fit {
	case FitDiffers:
		return "differs"
	case FitRolling:
		return "rolling out"
	case FitUnknown:
		return "not known"
	}
	if r.App == "" {
		if a.covered(evidence.DeployState) {
			return "by no application"
		}
		return "by itself"
	}
	return "by " + shortApp(r.App)
}

// textImages tells of each digest what registry and forge knew of it.
func (a *Answer) textImages(p *printer) {
	label := "IMAGES"
	if len(a.Images) > 0 && !slices.ContainsFunc(a.Images, func(m Image) bool { return m.Registry != a.Images[0].Registry }) && a.Images[0].Registry != SeenYes {
		p.block(label, a.Images[0].words(a.At)[0])
		return
	}
	for i := range a.Images {
		m := &a.Images[i]
		var works []string
		for _, w := range m.Workloads {
			works = append(works, shortApp(w))
		}
		s := fmt.Sprintf("%s (%s): %s", reports.ShortID(m.Digest), list(works, 3), strings.Join(m.words(a.At), "; "))
		if len(m.Seqs) > 0 {
			s += "  [" + reports.Seqs(union(nil, m.Seqs), 6) + "]"
		}
		p.block(label, s)
		label = ""
	}
}
