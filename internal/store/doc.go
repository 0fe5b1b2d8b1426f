// Package store opens the database: it brings the schema up to date under one lock, finds out what the connection can
// do (LISTEN, prepared statements) and hands out the pool. The SQL itself lives in the packages that use it.
package store
