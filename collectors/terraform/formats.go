package terraform

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"evidenced/collectors/forge"
	"evidenced/collectors/jsonstream"
	"evidenced/evidence"
)

// What Terraform and OpenTofu write, as far as it is read. Every type below names
// members that hold no value of an attribute, a variable or an output; the decoder
// passes over all others. See
// https://developer.hashicorp.com/terraform/internals/json-format and
// https://developer.hashicorp.com/terraform/internals/machine-readable-ui

// errForm is what is said of a file of another form. What the decoder says may
// quote it.
type errForm string

// Error implements error.
func (e errForm) Error() string { return string(e) + " is not of the form that Terraform writes" }

// each takes the elements of a list as they are read: a list may be most of a
// file, and its elements take more memory than their bytes.
type each[T any] func(*T)

// UnmarshalJSON implements json.Unmarshaler.
func (take each[T]) UnmarshalJSON(b []byte) error {
	s := jsonstream.New(bytes.NewReader(b), nil)
	var v, none T
	return s.Elements(func() error {
		v = none
		err := s.Decode(&v)
		if err == nil {
			take(&v)
		}
		return err
	})
}

// eachNamed takes the members of an object as they are read, as each does the
// elements of a list.
type eachNamed[T any] func(name string, v *T)

// UnmarshalJSON implements json.Unmarshaler.
func (take eachNamed[T]) UnmarshalJSON(b []byte) error {
	s := jsonstream.New(bytes.NewReader(b), nil)
	return s.Members(func(name string) error {
		var v T
		err := s.Decode(&v)
		if err == nil {
			take(name, &v)
		}
		return err
	})
}

type wireChange struct {
	Mode     string `json:"mode"`
	Type     string `json:"type"`
	Provider string `json:"provider_name"`
	Change   struct {
		Actions   []string        `json:"actions"`
		Importing json.RawMessage `json:"importing"`
	} `json:"change"`
}

// keptChange is what of a planned change is kept raw: without its address, which
// holds keys.
type keptChange struct {
	Type     string   `json:"type"`
	Provider string   `json:"provider_name"`
	Actions  []string `json:"actions"`
}

func (c *wireChange) keep() keptChange {
	k := keptChange{Type: address(c.Type), Provider: providerName(c.Provider), Actions: []string{}}
	for _, a := range c.Change.Actions {
		k.Actions = append(k.Actions, word(a))
	}
	return k
}

// maxKept bounds the changes and lines that are kept raw.
const maxKept = 5000

// readPlan takes what a plan tells into the facts, and into raw what of it may be
// kept.
func readPlan(b *bounded, f *evidence.InfraRunFacts, raw *bytes.Buffer) error {
	s := jsonstream.New(b, func(offset int64) { b.mark = offset })
	f.Plan = &evidence.InfraCount{Status: "finished"}
	kept := []keptChange{}
	var format, version string
	var at moment
	errored := false
	err := s.Members(func(name string) error {
		switch name {
		case "format_version":
			return s.Decode(&format)
		case "terraform_version":
			return s.Decode(&version)
		case "timestamp":
			return s.Decode(&at)
		case "errored":
			return s.Decode(&errored)
		case "resource_changes":
			var c, none wireChange
			return s.Elements(func() error {
				c = none
				if err := s.Decode(&c); err != nil {
					return err
				}
				for _, a := range c.Change.Actions {
					count1(f.Plan, a)
				}
				if len(c.Change.Importing) > 0 && string(c.Change.Importing) != "null" {
					f.Plan.Imports++
				}
				if len(kept) < maxKept {
					kept = append(kept, c.keep())
				}
				return nil
			})
		case "action_invocations":
			return s.Elements(func() error {
				f.Plan.Invoked++
				return s.Skip()
			})
		}
		return s.Skip()
	})
	if err == nil {
		err = s.End()
	}
	var large errLarge
	var unread errUnread
	switch {
	case b.ctx.Err() != nil:
		return b.ctx.Err()
	case errors.As(err, &large):
		return large
	case errors.As(err, &unread):
		return errors.New(planFile + " cannot be read")
	case err != nil || format == "":
		return errForm(planFile)
	}
	f.PlannedAt, f.TerraformVersion = at.Time, text(version)
	if errored {
		f.Native, f.Plan.Status = "errored", "errored"
	}
	began := false
	f.Began = &began
	return keep(raw, map[string]any{"format_version": word(format), "terraform_version": f.TerraformVersion, "timestamp": f.PlannedAt, "errored": errored, "resource_changes": kept})
}

// count1 counts one action on one resource. One that is replaced is destroyed and
// made.
func count1(c *evidence.InfraCount, action string) {
	switch action {
	case "create":
		c.Additions++
	case "update":
		c.Changes++
	case "delete":
		c.Deletions++
	case "forget", "remove": // a plan's word, an apply's word
		c.Forgotten++
	}
}

func keep(raw *bytes.Buffer, v any) error {
	b, err := evidence.EncodeFacts(v)
	if err != nil {
		return errors.New("a time in it cannot be")
	}
	if raw.Len() > 0 {
		raw.WriteByte('\n')
	}
	raw.Write(b)
	return nil
}

// wireLine is one line of an apply's output. Messages, ids of resources, outputs,
// the text of diagnostics and what provisioners print are not read.
type wireLine struct {
	At      moment `json:"@timestamp"`
	Level   string `json:"@level"`
	Type    string `json:"type"`
	Version string `json:"terraform"`
	Tofu    string `json:"tofu"` // OpenTofu's version
	Changes *struct {
		Add       int64  `json:"add"`
		Change    int64  `json:"change"`
		Remove    int64  `json:"remove"`
		Import    int64  `json:"import"`
		Forget    int64  `json:"forget"`
		Invoked   int64  `json:"action_invocation"`
		Operation string `json:"operation"`
	} `json:"changes"`
	Hook *struct {
		Action   json.RawMessage `json:"action"` // a word; of an action that is invoked, its address
		Resource struct {
			Type string `json:"resource_type"`
		} `json:"resource"`
	} `json:"hook"`
	Diagnostic *struct {
		Severity string `json:"severity"`
	} `json:"diagnostic"`
}

// keptLine is what of a line is kept raw.
type keptLine struct {
	At        time.Time `json:"@timestamp,omitzero"`
	Type      string    `json:"type"`
	Action    string    `json:"action,omitempty"`
	Resource  string    `json:"resource_type,omitempty"`
	Operation string    `json:"operation,omitempty"`
	Severity  string    `json:"severity,omitempty"`
	Result    string    `json:"result,omitempty"` // of a policy, and how it is enforced
	Level     string    `json:"enforcement_level,omitempty"`
}

// readApply takes what an apply wrote into the facts. An output that breaks off
// says neither that all was applied nor that it failed.
func readApply(b []byte, f *evidence.InfraRunFacts, raw *bytes.Buffer) error {
	if b == nil {
		return nil
	}
	began, kept, lines := false, 0, 0
	done := &evidence.InfraCount{Status: "unknown"}
	judged := policyResults{}
	var last time.Time
	// Whoever was stopped half way may have left half a line.
	if end := bytes.LastIndexByte(b, '\n') + 1; !json.Valid(b[end:]) {
		b = b[:end]
	}
	// A state that could be saved nowhere stands in one line, however long it is.
	for line := range bytes.Lines(b) {
		l := &wireLine{}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if json.Unmarshal(line, l) != nil || l.Type == "" {
			return errForm(applyFile)
		}
		lines++
		last = firstTime(l.At.Time, last)
		if l.changes() {
			if began = true; f.ApplyingAt.IsZero() {
				f.ApplyingAt = l.At.Time
			}
		}
		k := keptLine{At: l.At.Time, Type: word(l.Type)}
		switch {
		case l.Type == "version":
			f.TerraformVersion = text(cmp.Or(l.Version, l.Tofu))
		case l.Hook != nil && strings.HasPrefix(l.Type, "apply_"):
			action := l.action()
			k.Action, k.Resource = word(action), address(l.Hook.Resource.Type)
			if l.Type == "apply_complete" {
				count1(done, action)
			}
			if l.Type == "apply_errored" {
				f.Native = "errored"
			}
		case l.Type == "action_complete":
			done.Invoked++
		case l.Type == "policy_result":
			p := &wirePolicy{}
			if json.Unmarshal(line, p) != nil {
				return errForm(applyFile)
			}
			judged.take(p)
			k.Result, k.Level = word(p.Result), word(p.Policy.Level)
		case l.Type == "change_summary" && l.Changes != nil:
			k.Operation = word(l.Changes.Operation)
			if k.Operation == "apply" || k.Operation == "destroy" {
				began = true
				f.Destroy = f.Destroy || k.Operation == "destroy"
				done = &evidence.InfraCount{Status: "finished", Additions: l.Changes.Add, Changes: l.Changes.Change, Deletions: l.Changes.Remove, Imports: l.Changes.Import, Forgotten: l.Changes.Forget, Invoked: l.Changes.Invoked}
			}
		case l.Type == "diagnostic" && l.Diagnostic != nil:
			if k.Severity = word(l.Diagnostic.Severity); k.Severity == "error" {
				f.Native = "errored"
			}
		}
		if kept++; kept <= maxKept {
			if err := keep(raw, k); err != nil {
				return err
			}
		}
	}
	if lines == 0 {
		return errForm(applyFile)
	}
	f.Began, f.EndedAt = &began, last
	f.Policies, f.PoliciesSeen = judged.facts(), len(judged) > 0
	f.PoliciesCut = cut(&f.Policies, maxPolicies)
	if !began {
		return nil
	}
	if f.Native == "errored" {
		done.Status = "errored"
	}
	f.Apply = done
	if done.Status == "finished" {
		f.Native, f.AppliedAt = "applied", last
	}
	return nil
}

// action is what a line says is done to a resource; "" for none.
func (l *wireLine) action() (word string) {
	if l.Hook != nil {
		_ = json.Unmarshal(l.Hook.Action, &word) // an address is no word
	}
	return word
}

// changes reports whether a line tells of something that changes what there is. A
// plan reads data in lines of the same type as an apply's.
func (l *wireLine) changes() bool {
	switch a := l.action(); {
	case strings.HasPrefix(l.Type, "apply_"):
		return l.Hook != nil && a != "read" && a != "noop"
	case strings.HasPrefix(l.Type, "action_"):
		return l.Hook != nil
	}
	return false
}

// readOwn takes what a pipeline says of itself: the commit that it ran on.
func readOwn(b []byte, f *evidence.InfraRunFacts) error {
	if b == nil {
		return nil
	}
	var own struct {
		Commit string `json:"commit"`
		Branch string `json:"branch"`
		Repo   string `json:"repo"`
		Change int    `json:"change"`
	}
	if json.Unmarshal(b, &own) != nil {
		return errForm(runFile)
	}
	f.Commit, f.Branch, f.Repo = forge.ObjectOrNone(strings.ToLower(own.Commit)), text(own.Branch), repository(own.Repo)
	if own.Change > 0 {
		f.Change = own.Change
	}
	return nil
}

// repository is what a pipeline calls its repository. That is often the address
// that it was cloned from, with a token before the host or in the query.
func repository(s string) string {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		s = s[:i]
	}
	scheme := ""
	if before, after, ok := strings.Cut(s, "://"); ok {
		scheme, s = before+"://", after
	}
	return text(scheme + s[strings.LastIndexByte(s, '@')+1:])
}

// stateVersion is the latest version of states whose resources are read.
const stateVersion = 4

// wireState is a state as backends keep it (version 4, and 1 to 3 of Terraform
// before 0.12), or as terraform show prints it.
type wireState struct {
	Version   int64                 `json:"version"`
	Terraform string                `json:"terraform_version"`
	Serial    int64                 `json:"serial"`
	Lineage   string                `json:"lineage"`
	Encrypted json.RawMessage       `json:"encrypted_data"`
	Resources each[keptInState]     `json:"resources"`
	Modules   each[json.RawMessage] `json:"modules"` // of version 1 to 3, see tellOld
	// What a working directory keeps of where its state is has the form of an empty
	// state of version 3.
	Backend *place `json:"backend"`
	Store   *place `json:"state_store"`

	Format string `json:"format_version"`
	Values *struct {
		Root wireModule `json:"root_module"`
	} `json:"values"`
}

// keptInState is one resource of a state as backends keep it.
type keptInState struct {
	Module    string     `json:"module"`
	Mode      string     `json:"mode"`
	Type      string     `json:"type"`
	Name      string     `json:"name"`
	Provider  string     `json:"provider"`
	Instances []struct{} `json:"instances"`
}

// place says which kind of backend keeps a state.
type place struct {
	Type string `json:"type"`
}

// elsewhere reports whether it is no state, but says where one is.
func (s *wireState) elsewhere() bool {
	return s.Version == 3 && (s.Store != nil || s.Backend != nil && s.Backend.Type != "")
}

// keptInOld is one instance of a state of version 1 to 3.
type keptInOld struct {
	Type     string `json:"type"`
	Provider string `json:"provider"`
}

// tellOld tells the instances of a module of such a state: it has its path from the
// root, and its instances by [data.]TYPE.NAME[.INDEX].
func tellOld(b json.RawMessage, add func(mode, module, kind, name, provider string, n int64)) error {
	var at struct {
		Path []string `json:"path"`
	}
	if err := json.Unmarshal(b, &at); err != nil {
		return err
	}
	var path []string
	for _, p := range at.Path[min(1, len(at.Path)):] { // the first is the root
		path = append(path, "module", p)
	}
	module := strings.Join(path, ".")
	return json.Unmarshal(b, &struct {
		Resources eachNamed[keptInOld] `json:"resources"`
	}{func(key string, r *keptInOld) {
		mode, rest := "managed", key
		if s, ok := strings.CutPrefix(key, "data."); ok {
			mode, rest = "data", s
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(rest, r.Type+"."), ".")
		add(mode, module, r.Type, name, r.Provider, 1)
	}})
}

// wireModule is a module of a printed state.
type wireModule struct {
	Address   string `json:"address"`
	Resources []struct {
		Mode     string `json:"mode"`
		Type     string `json:"type"`
		Name     string `json:"name"`
		Provider string `json:"provider_name"`
	} `json:"resources"`
	Children []wireModule `json:"child_modules"`
}

// maxCounted bounds the resources of a state that are told apart, and maxOldModules
// the modules of a state of version 1 to 3.
const (
	maxCounted    = 100 * maxResources
	maxOldModules = 10000
)

// readStateFile takes what a state tells into the facts: what there is, and
// nothing of what it holds.
func readStateFile(b []byte, f *evidence.InfraStateFacts) error {
	counts := map[evidence.InfraResource]int64{}
	add := func(mode, module, kind, name, provider string, n int64) {
		if mode == "data" {
			kind = "data." + kind
		}
		r := evidence.InfraResource{Address: resourceAddress(module, kind, name), Type: address(kind), Provider: providerName(provider)}
		if _, ok := counts[r]; !ok && len(counts) >= maxCounted {
			f.ResourcesCut++
			return
		}
		counts[r] += n
	}
	var odd error
	modules := 0
	s := &wireState{
		Resources: func(r *keptInState) { add(r.Mode, r.Module, r.Type, r.Name, r.Provider, int64(len(r.Instances))) },
		Modules: func(m *json.RawMessage) {
			if modules++; modules > maxOldModules {
				odd = errShape
			}
			if odd == nil {
				odd = tellOld(*m, add)
			}
		},
	}
	if json.Unmarshal(b, s) != nil || odd != nil || s.Version == 0 && s.Format == "" && len(s.Encrypted) == 0 || s.elsewhere() && len(counts) == 0 {
		return errForm(stateFile)
	}
	f.Size, f.TerraformVersion, f.Serial, f.Lineage = int64(len(b)), text(s.Terraform), s.Serial, word(s.Lineage)
	if len(s.Encrypted) > 0 {
		f.Status = "encrypted"
		return nil
	}
	f.Format = s.Version
	if f.Processed = s.Version <= stateVersion; !f.Processed {
		return nil // what stands in it stands elsewhere
	}
	if s.Values != nil {
		s.Values.Root.walk(0, add)
	}
	var wire []evidence.InfraResource
	for r, n := range counts {
		r.Count = n
		wire = append(wire, r)
	}
	holds(f, wire)
	return nil
}

// maxModules bounds how deep modules are nested.
const maxModules = 64

func (m *wireModule) walk(depth int, add func(mode, module, kind, name, provider string, n int64)) {
	for _, r := range m.Resources {
		add(r.Mode, m.Address, r.Type, r.Name, r.Provider, 1)
	}
	for i := range m.Children {
		if depth < maxModules {
			m.Children[i].walk(depth+1, add)
		}
	}
}
