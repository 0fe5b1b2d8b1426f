// Package auth finds the sender of a request and its rights.
//
// Secrets (API keys, sessions, one-time links, WebSocket tickets) are random and long, so the database keeps only a
// plain SHA-256 of them: nobody can log in with its contents. Answers are cached for a few seconds, so that a thousand
// submissions a second are not a thousand queries.
//
// The package knows net/http and no web framework: Admit takes a request and returns it with its principal. The package
// does not decide who may use which route: the API has a table of its routes.
package auth
