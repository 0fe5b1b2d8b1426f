// Package generation turns a request into a job.
//
// A request is a struct, such as SpeechRequest: its tags list the fields once, for the API document, for the engine and
// for the names under which callers may send them. Every transport fills the struct and calls Resolve, which answers
// with a jobs.Spec or with Errors, all faults of the request. The package knows no transport: neither HTTP nor the
// command line.
//
// What a request names (files, jobs, voices, projects) is found through a Library. Stored is the library of the
// database; Pending adds the jobs of Specs that are not inserted yet, so that the steps of a chain can name each other
// and be inserted in one transaction.
//
// A kind of request is one file: the struct, its Resolve method and its Kind. Builtin lists the kinds.
package generation
