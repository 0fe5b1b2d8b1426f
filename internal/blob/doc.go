// Package blob keeps files under the SHA-256 of their bytes.
//
// A stored file never changes: a file is filled under a temporary name, flushed, and then renamed to its hash, so that
// a crash at any moment leaves either the whole file or none. Equal bytes are kept once. Nothing here knows whose a
// file is; media_assets, job_segments and voices refer to blobs, and Sweep removes files without a reference.
package blob
