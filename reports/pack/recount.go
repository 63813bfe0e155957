package pack

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"hash"
	"maps"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// claimReader walks claims.jsonl beside the leaves: both are in log order.
type claimReader struct {
	sc   *bufio.Scanner
	next *disclosed
}

// maxClaimLine bounds a line of claims.jsonl: a claim of 2 MiB in base64.
const maxClaimLine = 3 << 20

func (v *verifier) claimReader() (*claimReader, error) {
	r, err := v.c.open(memberClaims)
	if err != nil {
		return nil, err
	}
	c := &claimReader{sc: bufio.NewScanner(r)}
	c.sc.Buffer(make([]byte, 64<<10), maxClaimLine)
	c.sc.Split(wholeLines)
	return c, c.advance()
}

func (c *claimReader) advance() error {
	c.next = nil
	if !c.sc.Scan() {
		if err := c.sc.Err(); err != nil {
			return badLine(memberClaims, maxClaimLine, err)
		}
		return nil
	}
	var d disclosed
	if err := strict(memberClaims, c.sc.Bytes(), &d); err != nil {
		return err
	}
	c.next = &d
	return nil
}

// take returns the claims disclosed of a record.
func (c *claimReader) take(lf *chain.Leaf) ([]disclosed, error) {
	var ds []disclosed
	for c.next != nil && c.next.Seq <= lf.Seq {
		// Unknown names are refused here already: a record of a million claims
		// would be held and compared until memory or patience ends.
		if !slices.Contains(chain.ClaimNames, c.next.Name) {
			return nil, fmt.Errorf("%s: record %d has no claim %q", memberClaims, c.next.Seq, c.next.Name)
		}
		if c.next.Seq < lf.Seq || slices.ContainsFunc(ds, func(d disclosed) bool { return d.Name == c.next.Name }) {
			return nil, fmt.Errorf("%s: claim %s of record %d is out of order", memberClaims, c.next.Name, c.next.Seq)
		}
		ds = append(ds, *c.next)
		if err := c.advance(); err != nil {
			return nil, err
		}
	}
	return ds, nil
}

// claimsAndRegisters checks every disclosed claim, then makes every register
// again and compares. People are learned first, because a register names them.
func (v *verifier) claimsAndRegisters() error {
	if err := v.earlier(); err != nil {
		return err
	}
	if err := v.walk(func(lf *chain.Leaf, _ []byte, ds []disclosed) error {
		for _, d := range ds {
			if err := checkClaim(lf, d); err != nil {
				return err
			}
			v.rep.Disclosed++
			if err := v.read(lf, d); err != nil {
				return err
			}
		}
		v.countWithheld(lf, ds)
		v.shuts(lf, ds)
		return toldOpenly(lf, ds)
	}); err != nil {
		return err
	}
	if err := v.compareWithheld(); err != nil {
		return err
	}
	if err := v.checkLoosened(); err != nil {
		return err
	}
	v.rep.Withheld, v.rep.Erased = v.m.Withheld, v.m.Erased
	if err := v.checkRegisters(); err != nil {
		return err
	}
	return v.compareErased()
}

// compareWithheld holds the manifest's counts against the claims that are not
// there. Which of those are erased and which withheld is the maker's word: the
// claims themselves do not show it.
func (v *verifier) compareWithheld() error {
	absent := 0
	for _, n := range v.rep.Withheld {
		absent += n
	}
	said := v.m.Erased
	for name, n := range v.m.Withheld {
		if n < 0 || n > v.rep.Withheld[name] {
			return fmt.Errorf("the manifest says %d %s claims are withheld, %d are not there", n, name, v.rep.Withheld[name])
		}
		said += n
	}
	if v.m.Erased < 0 || absent != said {
		return fmt.Errorf("%d claims are not disclosed, the manifest says %d", absent, said)
	}
	return nil
}

// toldOpenly requires the content of what evidenced itself recorded in the
// range: their silence would be an answer, since they say what was not seen, what
// was loosened, what failed, what was accepted. All but person records name
// nobody, so that nothing keeps a maker from disclosing them.
func toldOpenly(lf *chain.Leaf, ds []disclosed) error {
	if registerKind(lf.Kind) || lf.Kind == evidence.PersonKnown || opened("content", ds) {
		return nil
	}
	return fmt.Errorf("record %d is a %s whose content is withheld: what it says of the evidence cannot be told", lf.Seq, lf.Kind)
}

func (v *verifier) countWithheld(lf *chain.Leaf, ds []disclosed) {
	for _, c := range lf.Claims {
		if !opened(c.Name, ds) {
			v.rep.Withheld[c.Name]++
		}
	}
}

// walk calls fn for every leaf with its disclosed claims.
func (v *verifier) walk(fn func(lf *chain.Leaf, line []byte, ds []disclosed) error) error {
	cr, err := v.claimReader()
	if err != nil {
		return err
	}
	if err := v.lines(memberLeaves, chain.MaxLeaf+1, func(line []byte) error {
		lf, err := chain.Decode(line)
		if err != nil {
			return err
		}
		ds, err := cr.take(lf)
		if err != nil {
			return err
		}
		return fn(lf, line, ds)
	}); err != nil {
		return err
	}
	if cr.next != nil {
		return fmt.Errorf("%s: claim of record %d, which is not in the range", memberClaims, cr.next.Seq)
	}
	return nil
}

// earlier checks the leaves from before the range.
func (v *verifier) earlier() error {
	last, any := uint64(0), false
	begins := v.m.Start.Size == 0
	if err := v.lines(memberEarlier, maxClaimLine*2, func(line []byte) error {
		var s single
		if err := strict(memberEarlier, line, &s); err != nil {
			return err
		}
		lf, err := v.checkSingle(s)
		if err != nil {
			return err
		}
		if lf.Seq >= v.m.Start.Size || any && lf.Seq <= last {
			return fmt.Errorf("%s: record %d is out of place", memberEarlier, lf.Seq)
		}
		last, any = lf.Seq, true
		if lf.Seq+1 == v.m.Start.Size {
			if lf.Recorded.After(v.m.Period.From) {
				return fmt.Errorf("the range begins after the period: record %d, before it, is of %s", lf.Seq, evidence.FormatTime(lf.Recorded))
			}
			if chain.LeafHash([]byte(s.Leaf)) != v.before {
				return fmt.Errorf("record %d does not follow its predecessor", v.m.Start.Size)
			}
			begins = true
		}
		if _, wanted := v.recorded[lf.Seq]; wanted {
			v.recorded[lf.Seq] = lf.Recorded
		}
		if err := v.seqs.add(lf.Seq, lf.Kind); err != nil {
			return err
		}
		if _, wanted := v.want[lf.Seq]; wanted {
			v.want[lf.Seq] = chain.LeafHash([]byte(s.Leaf))
		}
		for _, d := range s.Claims {
			if err := v.read(lf, d); err != nil {
				return err
			}
		}
		v.shuts(lf, s.Claims)
		return nil
	}); err != nil {
		return err
	}
	if !begins {
		return fmt.Errorf("%s: record %d, the last before the range, is missing: nothing shows that the range begins at or before the period", memberEarlier, v.m.Start.Size-1)
	}
	return nil
}

type check struct {
	reg *register
	sum hash.Hash
	n   *countWriter
}

// checkRegisters makes the register of every kind again, all in one walk, which
// knows by now what was erased.
func (v *verifier) checkRegisters() error {
	have := map[string]Member{}
	for _, m := range v.m.Members {
		if len(m.Name) > len(registersFolder) && m.Name[:len(registersFolder)] == registersFolder {
			have[m.Name] = m
		}
	}
	missing := func(k string) error {
		return fmt.Errorf("register of %s is missing, although %d records occurred in the period", k, v.rep.Counts[k])
	}
	for _, k := range slices.Sorted(maps.Keys(v.rep.Counts)) {
		if _, ok := have[registerName(evidence.Kind(k))]; !ok && registerKind(evidence.Kind(k)) {
			return missing(k)
		}
	}
	for _, x := range v.plans.verdicts {
		for _, seq := range x.Failed {
			v.occurred[seq] = time.Time{}
		}
	}
	regs := map[evidence.Kind]*check{}
	if err := v.walk(func(lf *chain.Leaf, line []byte, ds []disclosed) error {
		v.countErased(lf, ds)
		if _, asked := v.occurred[lf.Seq]; asked {
			v.occurred[lf.Seq] = lf.Occurred
		}
		if !registerKind(lf.Kind) || !v.m.Period.Contains(lf.Occurred) {
			return nil
		}
		ck := regs[lf.Kind]
		if ck == nil {
			ck = &check{sum: sha256.New()}
			ck.n = &countWriter{w: ck.sum}
			var err error
			if ck.reg, err = newRegister(ck.n); err != nil {
				return err
			}
			regs[lf.Kind] = ck
		}
		var c *content
		for _, d := range ds {
			if d.Name == "content" {
				var err error
				if c, err = contentOf(lf.Seq, d.Plain); err != nil {
					return err
				}
			}
		}
		return ck.reg.add(lf, chain.LeafHash(line), c, v.names.of)
	}); err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(regs)) {
		ck := regs[k]
		if err := ck.reg.close(); err != nil {
			return err
		}
		m, ok := have[registerName(k)]
		if !ok {
			return missing(string(k))
		}
		if m.SHA256 != evidence.Hash(ck.sum.Sum(nil)) {
			return fmt.Errorf("register of %s does not list exactly the %d records of the period", k, v.rep.Counts[string(k)])
		}
		delete(have, m.Name)
	}
	for name := range have {
		return fmt.Errorf("register %s lists records that did not occur in the period", name)
	}
	return nil
}
