// Package notice joins an incident's records with the laws: which clocks run
// for it, and what each notification has to say.
//
// The 76 fields of DORA's reports follow Annexes I and II of Implementing
// Regulation (EU) 2025/302 by their numbers; the contents of the others follow
// NIS-2 Art 23(4), GDPR Art 33(3) and CRA Art 14. An item is answered by
// fields of the incident's record or by its acts. One that is mandatory and
// not answered is listed as open; nothing is ever made up to fill it. An item
// whose condition cannot be decided is listed too, and says so.
package notice
