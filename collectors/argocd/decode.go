package argocd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/argoproj/argo-cd/v2/pkg/apis/application/v1alpha1"
)

// app is one application as the server gave it: decoded for reading, with its
// own bytes, because a newer server sends fields that the types do not know.
type app struct {
	*v1alpha1.Application
	raw   json.RawMessage
	extra extra
}

// extra holds what the v2 types drop or what is kept in its own bytes.
type extra struct {
	Spec struct {
		SyncPolicy *struct {
			Automated *struct {
				Enabled *bool `json:"enabled"` // from v3 on
			} `json:"automated"`
		} `json:"syncPolicy"`
		SourceHydrator *struct {
			SyncSource struct {
				RepoURL string `json:"repoURL"` // from v3 on; "" for that of the dry source
			} `json:"syncSource"`
		} `json:"sourceHydrator"`
	} `json:"spec"`
	Status struct {
		History              []json.RawMessage `json:"history"`
		OperationState       json.RawMessage   `json:"operationState"`
		ResourceHealthSource string            `json:"resourceHealthSource"` // "appTree" from v3 on
	} `json:"status"`
}

// maxUID is the longest uid in bytes that is read: API servers give 36, and the
// keys of syncs have their start behind it.
const maxUID = 256

// declared are the sources that the application is compared with.
func (a *app) declared() v1alpha1.ApplicationSources {
	out := a.Spec.GetSources()
	if h := a.extra.Spec.SourceHydrator; h != nil && h.SyncSource.RepoURL != "" && len(out) == 1 {
		out[0].RepoURL = h.SyncSource.RepoURL
	}
	return out
}

// uid tells an application from a later one of the same name.
func (a *app) uid() string { return string(a.UID) }

// fullName is namespace/name.
func (a *app) fullName() string { return a.Namespace + "/" + a.Name }

// project is the Argo CD project; an empty one means "default".
func (a *app) project() string { return a.Spec.GetProject() }

var (
	errNotList  = errors.New("the answer is not a list of applications")
	errNoItem   = errors.New("the item has no uid or no name, or a uid that no server gives")
	errNotEvent = errors.New("the line is not a watch event")
	// errOddItem: the line is a watch event, of an application that cannot be
	// read.
	errOddItem = errors.New("the application cannot be read")
)

// apiError is an error body, of a plain answer or inside the stream.
type apiError struct {
	Code     int    `json:"code"`
	GRPCCode int    `json:"grpc_code"`
	HTTPCode int    `json:"http_code"`
	Message  string `json:"message"`
}

// Error implements error. The server's text is left out: it may name people.
func (e *apiError) Error() string {
	code := e.Code
	if code == 0 {
		code = e.GRPCCode
	}
	return fmt.Sprintf("Argo CD reports error %d in its stream", code)
}

// unauthenticated reports whether the server no longer knows the token (gRPC
// code 16) or refuses it (7).
func (e *apiError) refused() bool {
	return e.Code == 16 || e.GRPCCode == 16 || e.HTTPCode == 401 ||
		e.Code == 7 || e.GRPCCode == 7 || e.HTTPCode == 403
}

// list is a decoded answer of GET /api/v1/applications.
type list struct {
	apps []*app
	bad  int // items that could not be read
}

// decodeList reads a list. Items stand without kind and apiVersion. An item
// that cannot be read is counted, not fatal: the others are still evidence.
func decodeList(body []byte) (list, error) {
	var l struct {
		Items    *[]json.RawMessage `json:"items"`
		Metadata *json.RawMessage   `json:"metadata"`
	}
	if err := json.Unmarshal(body, &l); err != nil {
		return list{}, fmt.Errorf("%w: %w", errNotList, err)
	}
	// A server with nothing to show sends "items": null, which leaves Items
	// nil; the metadata tells it from an error body.
	if l.Items == nil && l.Metadata == nil {
		return list{}, errNotList
	}
	var out list
	if l.Items == nil {
		return out, nil
	}
	at := make(map[string]int)
	for _, raw := range *l.Items {
		a, err := decodeApp(raw)
		if err != nil {
			out.bad++
			continue
		}
		if i, twice := at[a.uid()]; twice {
			if a.Generation > out.apps[i].Generation {
				out.apps[i] = a
			}
			continue
		}
		at[a.uid()] = len(out.apps)
		out.apps = append(out.apps, a)
	}
	return out, nil
}

func decodeApp(raw json.RawMessage) (*app, error) {
	a := &app{Application: new(v1alpha1.Application), raw: raw}
	if err := json.Unmarshal(raw, a.Application); err != nil {
		return nil, fmt.Errorf("decode application: %w", err)
	}
	if err := json.Unmarshal(raw, &a.extra); err != nil {
		return nil, fmt.Errorf("decode application: %w", err)
	}
	if a.UID == "" || a.Name == "" || len(a.UID) > maxUID {
		return nil, errNoItem
	}
	return a, nil
}

// The types of a watch event.
const (
	eventAdded    = "ADDED"
	eventModified = "MODIFIED"
	eventDeleted  = "DELETED"
)

// event is one line of the stream.
type event struct {
	Type string
	App  *app
}

// decodeLine reads one line of GET /api/v1/stream/applications. An error line
// comes back as *apiError; an application that cannot be read as errOddItem,
// with the type of its event alone.
func decodeLine(line []byte) (event, error) {
	var l struct {
		Result *struct {
			Type        string          `json:"type"`
			Application json.RawMessage `json:"application"`
		} `json:"result"`
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(bytes.TrimSpace(line), &l); err != nil {
		return event{}, fmt.Errorf("%w: %w", errNotEvent, err)
	}
	switch {
	case l.Error != nil:
		return event{}, l.Error
	case l.Result == nil || len(l.Result.Application) == 0:
		return event{}, errNotEvent
	}
	switch l.Result.Type {
	case eventAdded, eventModified, eventDeleted:
	default:
		return event{}, fmt.Errorf("%w: unknown type", errNotEvent)
	}
	a, err := decodeApp(l.Result.Application)
	if err != nil {
		return event{Type: l.Result.Type}, fmt.Errorf("%w: %w", errOddItem, err)
	}
	return event{l.Result.Type, a}, nil
}
