// Package auth says who a request is from and what it may do.
//
// Secrets (API keys, sessions, one-time links, WebSocket tickets) are random and long, so a plain SHA-256 of them all
// that the database keeps: reading it lets nobody log in. Answers are cached for a few seconds, so that a thousand
// submissions a second are not a thousand queries.
//
// The package knows net/http and no web framework: Admit takes a request and returns it with its principal. Who may
// use which route is not decided here; the API has a table of its routes.
package auth
