// Package pronunciations keeps how a user's words are said: "APIBR" is said "apê i bê erre".
//
// An entry is for all of its owner's requests or for those of one project, and for one language or for all. Choose
// picks the entries of a text when a request becomes a job. The job keeps them, so that a later change of the
// dictionary changes no job that waits, and a retry says the same.
package pronunciations
