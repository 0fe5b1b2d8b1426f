// Package engine is the catalogue: which engines exist, what each can do, what it needs and which one answers a
// request.
//
// An engine describes itself in one manifest.yaml beside its Python code: tasks, the JSON Schema of their parameters,
// inputs, outputs and phases, languages, licence and memory. The server reads these files at start and never starts
// Python to learn them; a sidecar's hello only confirms its id. `sidecars.<engine>.command` replaces an engine's
// process by another program, but never its manifest: what is promised to callers stays the same.
//
// The package owns no process and no file besides the manifests. Choose turns (task, quality, model) into one engine or
// a refusal that says what to install; ValidateParams turns the parameters of a run into sentences a caller can act on.
package engine
