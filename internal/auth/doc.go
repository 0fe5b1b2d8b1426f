// Package auth says who a request is from and what it may do.
//
// Secrets (API keys, sessions, one-time links, WebSocket tickets) are random and long, so a plain SHA-256 of them is
// what the database keeps: nobody who reads it can log in. An answer is remembered for a few seconds, since a thousand
// submissions a second must not be a thousand queries.
package auth
