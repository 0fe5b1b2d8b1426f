// Package migrations holds the SQL that brings a database to the schema this binary was written for.
//
// The files are applied by internal/store with goose, in the order of their numbers, under one advisory lock. A file
// that has been released is never edited: a change is a new file.
package migrations

import "embed"

// FS holds the migration files.
//
//go:embed *.sql
var FS embed.FS
