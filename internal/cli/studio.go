package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/apiclient"
	"github.com/apibr/studio/internal/datadir"
	"github.com/apibr/studio/internal/i18n"
)

// studio is a running server. The commands talk to it through the client that our own OpenAPI document generates.
type studio struct {
	client  *apiclient.Client
	address string
	locale
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
func connect(c connection, l locale) (*studio, error) {
	address := strings.TrimSuffix(c.Server, "/")
	// A key that was named is the user's own choice. The data directory's key goes to the studio of that directory
	// only.
	client := &http.Client{CheckRedirect: func(next *http.Request, _ []*http.Request) error {
		return exitWith(
			ExitUsage,
			"%s sends on to %s, and a key goes to no other address than the one that you named: "+
				"if that is the studio, name it with --server",
			address,
			next.URL.Scheme+"://"+next.URL.Host,
		)
	}}
	if named, err := url.Parse(address); err != nil || named.Host == "" ||
		named.Scheme != "http" && named.Scheme != "https" {
		return nil, exitWith(ExitUsage, "--server %s is not an address: name it as http://HOST:PORT", address)
	}
	token := c.Token
	if token == "" {
		content, err := datadir.ReadSecret(filepath.Join(c.DataDir, cliTokenFile))
		var unsafe *datadir.Error
		if errors.As(err, &unsafe) {
			return nil, withCode(ExitUsage, unsafe)
		}
		if err != nil {
			return nil, exitWith(ExitUnreachable,
				"no API key: run this on the studio's computer as the user who runs it, or pass --token")
		}
		token = strings.TrimSpace(string(content))
		if named, err := url.Parse(address); err == nil && named.Scheme == "https" {
			return nil, notOurs(address) // a studio itself speaks http
		}
		client.Transport = ownTransport(token)
	}
	authorise := func(_ context.Context, request *http.Request) error {
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Accept", "application/json")
		request.Header.Set("Accept-Language", l.Language.String())
		request.Header.Set(i18n.DoorHeader, string(l.Door))
		return nil
	}
	api, err := apiclient.NewClient(address, apiclient.WithRequestEditorFn(authorise), apiclient.WithHTTPClient(client))
	if err != nil {
		return nil, err
	}
	return &studio{client: api, address: address, locale: l}, nil
}

func notOurs(address string) error {
	return exitWith(ExitUsage, "%s is not the studio of this data directory, so the key of this computer is not sent "+
		"there: name a key of that studio with --token or APIBR_TOKEN", address)
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

// Sentence is the studio's own, in the language that it was asked for.
func (r *refusal) Sentence() i18n.Sentence { return i18n.Plain(r.Error()) }

// errUnreachable is the cause of every failure to reach the server at all.
var errUnreachable = errors.New("the studio does not answer")

// answer decodes what a call brought.
func (s *studio) answer(response *http.Response, err error) func(out any) error {
	return func(out any) error { return s.do(response, err, out) }
}

// do decodes the answer of a call into out, unless out is nil.
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
	var file *fs.PathError // of the request's body, which is read while it is sent
	switch {
	case errors.Is(err, errNotOurs):
		return notOurs(s.address)
	case errors.As(err, &coded):
		return coded
	case errors.As(err, &file):
		return exitWith(ExitUsage, "%s: %s", file.Path, datadir.FileProblem(err))
	}
	if errors.Is(err, context.Canceled) ||
		!isNetwork(err) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return unreachable(s.address)
}

func unreachable(address string) error {
	return &exitError{code: ExitUnreachable, cause: errUnreachable, sentence: i18n.Say(
		"no studio answers at %s: start it with `apibr serve`, or name another with --server", address)}
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
		problem.Detail = s.text("the studio answered %s", response.Status)
	}
	if response.StatusCode == http.StatusServiceUnavailable || response.StatusCode == http.StatusBadGateway {
		return withCode(ExitUnreachable, fmt.Errorf("%w: %w", problem, errUnreachable))
	}
	return withCode(ExitRefused, problem)
}

// submit sends a request that makes a job. One key names it, so that sending it again makes no second job.
func (s *studio) submit(ctx context.Context, call submitCall, r *request) (*job, error) {
	contentType, body, err := r.body()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	key := uuid.NewString()
	once := func(_ context.Context, request *http.Request) error {
		request.Header.Set("Idempotency-Key", key)
		return nil
	}
	response, err := call(s.client, ctx, contentType, body, once)
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
	MimeType  string `json:"mime_type"`
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
