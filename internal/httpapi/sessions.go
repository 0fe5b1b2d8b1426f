package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/apibr/studio/internal/auth"
)

// Session is a browser that is signed in.
type Session struct {
	ID         uuid.UUID  `json:"id"`
	Current    bool       `json:"current" doc:"The one that this request came with"`
	KeyID      uuid.UUID  `json:"key_id" doc:"The key that it comes from, and ends with"`
	ParentID   *uuid.UUID `json:"parent_id" nullable:"true" doc:"The session whose link opened it, and which it ends with"`
	Scopes     []string   `json:"scopes"`
	UserAgent  *string    `json:"user_agent" nullable:"true" doc:"What the browser called itself when it signed in"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at" nullable:"true" doc:"To the day"`
}

// SessionList lists the caller's sessions, newest first.
type SessionList struct {
	Data []Session `json:"data"`
}

// SessionPath holds the id in an address; exported, since huma fills only exported members.
type SessionPath struct {
	ID string `path:"id" doc:"Session id"`
}

type signedOut struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

func (s *Server) registerSessions(tag []string) {
	const path = "/api/v1/auth/sessions"
	huma.Register(s.api, huma.Operation{
		OperationID: "list-sessions", Method: http.MethodGet, Path: path,
		Summary: "List the browsers that are signed in", Tags: tag, Errors: []int{401, 403},
	}, as(s, s.listSessions))
	huma.Register(s.api, huma.Operation{
		OperationID: "end-session", Method: http.MethodDelete, Path: path + "/{id}",
		Summary: "End a session and what was opened in it", Tags: tag,
		DefaultStatus: http.StatusNoContent, Errors: []int{401, 403, 404},
	}, as(s, s.endSession))
	huma.Register(s.api, huma.Operation{
		OperationID: "logout", Method: http.MethodPost, Path: "/api/v1/auth/logout",
		Summary: "End the session that the request comes with", Tags: tag,
		DefaultStatus: http.StatusNoContent, Errors: []int{401, 409},
	}, as(s, s.logout))
}

func (s *Server) listSessions(ctx context.Context, p auth.Principal, _ *struct{}) (*struct{ Body SessionList }, error) {
	found, err := s.cfg.Auth.ListSessions(ctx, p.Owner)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body SessionList }{SessionList{Data: []Session{}}}
	for _, one := range found {
		current := p.SessionID != nil && *p.SessionID == one.ID
		out.Body.Data = append(out.Body.Data, Session{
			ID: one.ID, Current: current, KeyID: one.KeyID, ParentID: one.ParentID, Scopes: scopeNames(one.Scopes),
			UserAgent: one.UserAgent, CreatedAt: one.CreatedAt, ExpiresAt: one.ExpiresAt, LastUsedAt: one.UsedAt,
		})
	}
	return out, nil
}

func (s *Server) endSession(ctx context.Context, p auth.Principal, in *SessionPath) (*struct{}, error) {
	id, err := pathID(in.ID, auth.ErrNoSession)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Auth.EndSession(ctx, p.Owner, id); err != nil {
		return nil, err
	}
	s.audit(ctx, p, "session.end", id.String())
	return nil, nil
}

func (s *Server) logout(ctx context.Context, p auth.Principal, _ *struct{}) (*signedOut, error) {
	cookie, err := s.cfg.Auth.SignOut(ctx, p)
	if err != nil {
		return nil, err
	}
	s.audit(ctx, p, "session.end", p.SessionID.String())
	return &signedOut{*cookie}, nil
}
