package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/names"
)

// Me describes the caller.
type Me struct {
	OwnerID   uuid.UUID  `json:"owner_id"`
	Scopes    []string   `json:"scopes"`
	Via       string     `json:"via" doc:"key or session"`
	KeyID     *uuid.UUID `json:"key_id" nullable:"true" doc:"The key, or the one that the session comes from"`
	SessionID *uuid.UUID `json:"session_id" nullable:"true"`
	Admin     bool       `json:"admin"`
	ExpiresAt *time.Time `json:"expires_at" nullable:"true"`
}

// Ticket opens one WebSocket.
type Ticket struct {
	Ticket    string    `json:"ticket"`
	ExpiresAt time.Time `json:"expires_at"`
}

// LoginLink signs one browser in, once.
type LoginLink struct {
	URL string `json:"url"`
}

// Key is an API key; the secret is shown only when it is made.
type Key struct {
	ID         uuid.UUID  `json:"id"`
	Name       string     `json:"name"`
	Prefix     string     `json:"prefix" doc:"The first characters, to tell keys apart"`
	Scopes     []string   `json:"scopes"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at" nullable:"true"`
	LastUsedAt *time.Time `json:"last_used_at" nullable:"true"`
	RevokedAt  *time.Time `json:"revoked_at" nullable:"true"`
	MadeBy     *uuid.UUID `json:"made_by_key_id" nullable:"true" doc:"The key that made it, itself or through a session"`
	Secret     string     `json:"key,omitempty" doc:"Only in the answer that makes it"`
}

// KeyList lists the caller's keys.
type KeyList struct {
	Data []Key `json:"data"`
}

func keyView(k *auth.Key) Key {
	return Key{
		ID:         k.ID,
		Name:       k.Name,
		Prefix:     k.Prefix,
		Scopes:     scopeNames(k.Scopes),
		CreatedAt:  k.CreatedAt,
		ExpiresAt:  k.ExpiresAt,
		LastUsedAt: k.LastUsedAt,
		RevokedAt:  k.RevokedAt,
		MadeBy:     k.MadeBy,
	}
}

func scopeNames(scopes []auth.Scope) []string {
	names := make([]string, 0, len(scopes))
	for _, scope := range scopes {
		names = append(names, string(scope))
	}
	return names
}

// KeyPath holds the id in an address; exported, since huma fills only exported members.
type KeyPath struct {
	ID string `path:"id" doc:"Key id"`
}

// KeyRequest is POST /keys.
type KeyRequest struct {
	Name      string   `json:"name" minLength:"1" maxLength:"100" format:"line" example:"n8n"`
	Scopes    []string `json:"scopes" minItems:"1" maxItems:"4" doc:"read, generate, admin, scrape_script"`
	ExpiresAt string   `json:"expires_at,omitempty" format:"date-time"`
}

func (s *Server) registerAuth() {
	tag := []string{"account"}
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "get-me",
			Method:      http.MethodGet,
			Path:        "/api/v1/auth/me",
			Summary:     "Say who the caller is",
			Tags:        tag,
			Errors:      []int{401},
		},
		as(s, func(_ context.Context, p auth.Principal, _ *struct{}) (*struct{ Body Me }, error) {
			return &struct{ Body Me }{
				Me{
					OwnerID:   p.Owner,
					Scopes:    scopeNames(p.Scopes),
					Via:       string(p.Via),
					KeyID:     p.KeyID,
					SessionID: p.SessionID,
					Admin:     p.Admin,
					ExpiresAt: p.ExpiresAt,
				},
			}, nil
		}),
	)
	huma.Register(
		s.api,
		huma.Operation{
			OperationID:   "create-ticket",
			Method:        http.MethodPost,
			Path:          "/api/v1/auth/ticket",
			Summary:       "Make a one-time ticket for the WebSocket",
			Tags:          tag,
			DefaultStatus: http.StatusCreated,
			Errors:        []int{401},
		},
		as(s, s.createTicket),
	)
	huma.Register(
		s.api,
		huma.Operation{
			OperationID:   "create-login-link",
			Method:        http.MethodPost,
			Path:          "/api/v1/auth/link",
			Summary:       "Make a one-time link that signs a browser in",
			Tags:          tag,
			DefaultStatus: http.StatusCreated,
			Errors:        []int{401, 403},
		},
		as(s, s.createLink),
	)
	s.registerSessions(tag)
	s.registerKeys(tag)
}

func (s *Server) createTicket(ctx context.Context, p auth.Principal, _ *struct{}) (*struct{ Body Ticket }, error) {
	token, expires, err := s.cfg.Auth.CreateTicket(ctx, p)
	if err != nil {
		return nil, err
	}
	return &struct{ Body Ticket }{Ticket{token, expires}}, nil
}

func (s *Server) createLink(ctx context.Context, p auth.Principal, _ *struct{}) (*struct{ Body LoginLink }, error) {
	token, id, err := s.cfg.Auth.CreateLink(ctx, p)
	if err != nil {
		return nil, err
	}
	s.audit(ctx, p, "link.create", id.String())
	return &struct{ Body LoginLink }{LoginLink{baseOf(ctx) + "/login?token=" + token}}, nil
}

type keyAnswer struct{ Body Key }

func (s *Server) registerKeys(tag []string) {
	const path = "/api/v1/keys"
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "list-keys",
			Method:      http.MethodGet,
			Path:        path,
			Summary:     "List API keys",
			Tags:        tag,
			Errors:      []int{401, 403},
		},
		as(s, s.listKeys),
	)
	b := s.binderFor(reflect.TypeFor[KeyRequest]())
	huma.Register(
		s.api,
		huma.Operation{
			OperationID:     "create-key",
			Method:          http.MethodPost,
			Path:            path,
			Summary:         "Make an API key",
			Tags:            tag,
			DefaultStatus:   http.StatusCreated,
			MaxBodyBytes:    -1,
			BodyReadTimeout: -1,
			Errors:          []int{401, 403, 422},
		},
		as(s, func(ctx context.Context, p auth.Principal, in *CreateInput) (*keyAnswer, error) {
			if in.IdempotencyKey != "" {
				// The secret is not stored, so a second request with the same Idempotency-Key could not be answered.
				return nil, newProblem(422, codeInvalid, cannotHonour,
					i18n.Say("making a key takes no Idempotency-Key: its secret is shown only once"))
			}
			sent, _, err := read[KeyRequest](b, in.echo, p)
			if err != nil {
				return nil, err
			}
			return s.createKey(ctx, p, sent)
		}),
	)
	s.setBody(s.api.OpenAPI().Paths[path].Post, b)
	huma.Register(
		s.api,
		huma.Operation{
			OperationID: "revoke-key",
			Method:      http.MethodDelete,
			Path:        path + "/{id}",
			Summary:     "Revoke an API key",
			Tags:        tag,
			Errors:      []int{401, 403, 404},
		},
		as(s, s.revokeKey),
	)
}

func (s *Server) listKeys(ctx context.Context, p auth.Principal, _ *struct{}) (*struct{ Body KeyList }, error) {
	keys, err := s.cfg.Auth.ListKeys(ctx, p.Owner)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body KeyList }{KeyList{Data: []Key{}}}
	for _, key := range keys {
		out.Body.Data = append(out.Body.Data, keyView(key))
	}
	return out, nil
}

func (s *Server) createKey(ctx context.Context, p auth.Principal, sent KeyRequest) (*keyAnswer, error) {
	wanted := auth.NewKey{Owner: p.Owner, Name: sent.Name, By: &p}
	for _, name := range sent.Scopes {
		if known := scopeNames(auth.AllScopes); !slices.Contains(known, name) {
			return nil, noScope(name, known)
		}
		wanted.Scopes = append(wanted.Scopes, auth.Scope(name))
	}
	if err := p.MayGrant(wanted.Scopes); err != nil {
		return nil, onField(err, "scopes")
	}
	if at, err := time.Parse(time.RFC3339, sent.ExpiresAt); err == nil { // its form has been checked
		wanted.ExpiresAt = &at
	}
	secret, key, err := s.cfg.Auth.CreateKey(ctx, wanted)
	if err != nil {
		return nil, err
	}
	s.audit(ctx, p, "key.create", key.ID.String())
	view := keyView(key)
	view.Secret = secret
	return &keyAnswer{view}, nil
}

func noScope(name string, known []string) *problem {
	detail := i18n.Say("there is no scope %q: the scopes are %s", names.Clip(name), strings.Join(known, ", "))
	if near := names.Closest(name, known); near != "" {
		detail = i18n.Say("there is no scope %q; did you mean %s? The scopes are %s", names.Clip(name), near,
			strings.Join(known, ", "))
	}
	return newProblem(http.StatusUnprocessableEntity, "bad_scope", i18n.Say("The scopes are not valid"), detail,
		fieldProblem{pointer: "/scopes", detail: detail})
}

func (s *Server) revokeKey(ctx context.Context, p auth.Principal, in *KeyPath) (*keyAnswer, error) {
	id, err := pathID(in.ID, auth.ErrNotFound)
	if err != nil {
		return nil, err
	}
	key, err := s.cfg.Auth.RevokeKey(ctx, p.Owner, id)
	if err != nil {
		return nil, err
	}
	s.audit(ctx, p, "key.revoke", id.String())
	return &keyAnswer{keyView(key)}, nil
}
