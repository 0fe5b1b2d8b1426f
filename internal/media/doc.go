// Package media decides what a file really is, makes it safe to keep, and turns it into what was asked for.
//
// The type comes from the bytes, never from a name or a header. Everything that could cost memory or time (pixels,
// duration, streams) is read from headers and checked before anything is decoded. Pictures are rewritten chunk by chunk
// in Go, so that their pixels stay as they were sent; audio and video go through ffmpeg, which runs without network,
// without shell and with a time limit. Output bytes are a function of the input: no clock, no random id.
package media
