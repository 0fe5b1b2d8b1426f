// Package app is the one place where everything is built from the configuration and started.
//
// New opens what can fail with a sentence for the user (data directory, Postgres, schema, catalogue); Run starts the
// services in order and stops them in reverse. Nothing else in the project reads the configuration.
package app
