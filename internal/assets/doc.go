// Package assets holds the rows of media_assets and the way of a file into them.
//
// An upload is streamed to disk while it is hashed, recognised by its bytes, measured against the limits, cleaned of
// what can track a person, stored by hash, and only then becomes a row. A generated file becomes a row in the
// transaction that finishes its job (InsertBatch). Signed links (sign.go) let n8n and a browser read a file without a
// header.
package assets
