package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/apiclient"
	"github.com/apibr/studio/internal/datadir"
)

// studio is a running server as the commands talk to it, through the client that our own OpenAPI document generates.
type studio struct {
	client  *apiclient.Client
	address string
	lang    language
}

// connection says which studio a command talks to.
type connection struct {
	Server  string // --server, APIBR_SERVER; "" means the one of this machine
	Token   string // --token, APIBR_TOKEN; "" means cli.token of DataDir
	DataDir string
}

// cliTokenFile is where serve leaves the key of the command line, in the data directory.
const cliTokenFile = "cli.token"

// connect does not speak to the server yet; it fails when there is no key to speak with.
func connect(c connection, lang language) (*studio, error) {
	address := strings.TrimSuffix(c.Server, "/")
	// A key that was named is the user's own choice; the data directory's goes to the studio of that directory only.
	client := &http.Client{CheckRedirect: func(next *http.Request, _ []*http.Request) error {
		return exitWith(ExitUsage, "%s", lang.text("redirected", address, next.URL.Scheme+"://"+next.URL.Host))
	}}
	token := c.Token
	if token == "" {
		content, err := datadir.ReadSecret(filepath.Join(c.DataDir, cliTokenFile))
		var unsafe *datadir.Error
		if errors.As(err, &unsafe) {
			return nil, &exitError{ExitUsage, unsafe}
		}
		if err != nil {
			return nil, exitWith(ExitUnreachable, "%s", lang.text("no_token"))
		}
		token = strings.TrimSpace(string(content))
		if named, err := url.Parse(address); err == nil && named.Scheme == "https" {
			return nil, exitWith(ExitUsage, "%s", lang.text("not_ours", address)) // a studio itself speaks http
		}
		client.Transport = ownTransport(token)
	}
	authorise := func(_ context.Context, request *http.Request) error {
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Accept", "application/json")
		request.Header.Set("Accept-Language", [2]string{"en", "pt-BR"}[lang])
		return nil
	}
	api, err := apiclient.NewClient(address, apiclient.WithRequestEditorFn(authorise), apiclient.WithHTTPClient(client))
	if err != nil {
		return nil, exitWith(ExitUsage, "--server: %v", err)
	}
	return &studio{client: api, address: address, lang: lang}, nil
}

// refusal is a problem that the server answered with.
type refusal struct {
	Status    int    `json:"status"`
	Title     string `json:"title"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
	Errors    []struct {
		Pointer string `json:"pointer"`
		Detail  string `json:"detail"`
	} `json:"errors"`
}

func (r *refusal) Error() string {
	text := r.Detail
	if text == "" {
		text = r.Title
	}
	for _, e := range r.Errors {
		if !strings.Contains(text, e.Detail) {
			text += fmt.Sprintf("\n  %s: %s", strings.TrimPrefix(e.Pointer, "/"), e.Detail)
		}
	}
	return text
}

// errUnreachable is the cause of every failure to speak with the server at all.
var errUnreachable = errors.New("the studio does not answer")

// do sends one call and decodes its answer into out, unless out is nil.
func (s *studio) do(response *http.Response, err error, out any) error {
	if err != nil {
		return s.unreachable(err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return s.refused(response)
	}
	if out == nil || response.StatusCode == http.StatusNoContent {
		_, _ = io.Copy(io.Discard, response.Body)
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(out); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || isNetwork(err) {
			return s.unreachable(err)
		}
		return fmt.Errorf("read the studio's answer: %w", err)
	}
	return nil
}

func (s *studio) unreachable(err error) error {
	var coded *exitError
	switch {
	case errors.Is(err, errNotOurs):
		return exitWith(ExitUsage, "%s", s.lang.text("not_ours", s.address))
	case errors.As(err, &coded):
		return coded
	}
	if errors.Is(err, context.Canceled) || !isNetwork(err) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return &exitError{code: ExitUnreachable, err: fmt.Errorf("%s: %w", s.lang.text("unreachable", s.address), errUnreachable)}
}

func isNetwork(err error) bool {
	var network net.Error
	var address *url.Error
	return errors.As(err, &network) || errors.As(err, &address)
}

func (s *studio) refused(response *http.Response) error {
	problem := &refusal{Status: response.StatusCode}
	const most = 1 << 20
	body, _ := io.ReadAll(io.LimitReader(response.Body, most))
	if json.Unmarshal(body, problem) != nil || problem.Error() == "" {
		problem.Detail = fmt.Sprintf("the studio answered %s", response.Status)
	}
	if response.StatusCode == http.StatusServiceUnavailable || response.StatusCode == http.StatusBadGateway {
		return &exitError{code: ExitUnreachable, err: fmt.Errorf("%w: %w", problem, errUnreachable)}
	}
	return &exitError{code: ExitRefused, err: problem}
}

// submitCall is one of the generated client's operations that take a body.
type submitCall func(ctx context.Context, contentType string, body io.Reader, editors ...apiclient.RequestEditorFn) (*http.Response, error)

// submit sends a request that makes a job. One key names it, so that sending it again makes no second job.
func (s *studio) submit(ctx context.Context, call submitCall, r *request) (*job, error) {
	contentType, body, err := r.body(s.lang)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	key := uuid.NewString()
	once := func(_ context.Context, request *http.Request) error {
		request.Header.Set("Idempotency-Key", key)
		return nil
	}
	response, err := call(ctx, contentType, body, once)
	var made job
	if err := s.do(response, err, &made); err != nil {
		return nil, err
	}
	return &made, nil
}

// job is the part of a Job that the commands show; Raw is all of it.
type job struct {
	ID            string   `json:"id"`
	Type          string   `json:"type"`
	Status        string   `json:"status"`
	Reason        *string  `json:"reason"`
	Quality       string   `json:"quality"`
	Engine        string   `json:"engine"`
	Progress      float64  `json:"progress"`
	QueuePosition *int     `json:"queue_position"`
	ETASeconds    *float64 `json:"eta_seconds"`
	Detail        *struct {
		Stage      string   `json:"stage"`
		Step       int      `json:"step"`
		TotalSteps int      `json:"total_steps"`
		Message    *string  `json:"message"`
		ETASeconds *float64 `json:"eta_seconds"`
	} `json:"progress_detail"`
	Outputs  []jobOutput `json:"outputs"`
	VoiceID  *string     `json:"voice_id"`
	Error    *refusal    `json:"error"`
	Warnings []struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"warnings"`
	CreatedAt   string  `json:"created_at"`
	CompletedAt *string `json:"completed_at"`

	raw json.RawMessage
}

type jobOutput struct {
	ID        string `json:"id"`
	Kind      string `json:"kind"`
	URL       string `json:"url"`
	Filename  string `json:"filename"`
	SizeBytes int64  `json:"size_bytes"`
}

// UnmarshalJSON keeps the whole document for --json.
func (j *job) UnmarshalJSON(data []byte) error {
	type plain job
	if err := json.Unmarshal(data, (*plain)(j)); err != nil {
		return err
	}
	j.raw = append(j.raw[:0], data...)
	return nil
}

func (j *job) ended() bool {
	return j.Status == "completed" || j.Status == "failed" || j.Status == "canceled"
}
