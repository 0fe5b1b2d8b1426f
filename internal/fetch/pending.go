package fetch

import "context"

// Client fetches. Safe for concurrent use.
type Client struct{ cfg Config }

// New makes a Client.
func New(cfg Config) *Client { return &Client{cfg: cfg} }

// IsRef tells whether a media input's string is one that Open understands (an http, https or data URL).
func IsRef(s string) bool { return false }

// Open starts reading an https URL or a data: URI. The caller closes the body. Fails with *Error.
func (c *Client) Open(ctx context.Context, ref string) (*Body, error) {
	return nil, &Error{Code: BadURL, Detail: "not available"}
}
