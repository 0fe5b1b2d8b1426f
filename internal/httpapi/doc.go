// Package httpapi is the HTTP contract: routes, their requests and answers, errors, the WebSocket and the event
// streams.
//
// Operations are described with huma on Echo, so that the OpenAPI document comes from the types that answer. A handler
// reads top-down: bind the fields, resolve what they name, ask a service, render. Services return errors; answers.go is
// the one place that turns them into problems, and problem.go renders a problem for its reader. access.go is the one
// table of who may use which route: a route that is not in it keeps the studio from starting.
//
// Requests that make something take JSON or multipart/form-data with the same names. They do not go through huma's
// body binding, which would hold an upload in memory: bind.go reads them as a stream and checks them against the same
// schema that the document shows.
package httpapi
