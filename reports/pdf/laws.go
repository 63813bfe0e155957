package pdf

// lawTexts says which texts the controls were written from: their numbers, as
// of when they were read, whom they bind, and what was not checked.
func (p *pack) lawTexts() {
	if len(p.doc.Laws) == 0 {
		return
	}
	p.section("The laws", "The controls say in other words what these texts ask; the text always wins. Whether a duty is proportionate, and whether it binds, people decide: a finding that contradicts is not a breach of law by itself.")
	for _, l := range p.doc.Laws {
		p.need(34)
		p.text(head2.at(10), left, width, l.Name)
		p.space(0.8)
		p.facts([]fact{
			{"text", l.Title, false},
			{"CELEX", l.CELEX, false},
			{"read as of", l.Read, false},
			{"applies from", l.Since, false},
			{"binds", l.Binds, false},
			{"not verified", l.Unverified, false},
		})
		p.space(1.5)
	}
}
