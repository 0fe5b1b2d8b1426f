// Package hub fetches the files of models: from a hub that speaks the Hugging Face HTTP API, and from plain addresses
// such as a release page.
//
// List names the files of a repository at one commit with the hashes that the hub itself states; nothing here knows a
// checksum of its own. Download writes beside the target, hashes while it writes and goes on where an earlier try, or
// an earlier run of the program, was cut off. The token goes to the hub's own host and nowhere else, and stands in no
// error and no log.
//
// Package hubtest is such a hub for tests, with the faults that real ones have.
package hub
