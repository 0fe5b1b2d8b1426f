// Package fetch reads media that a request names by https URL or data: URI.
//
// A URL comes from whoever may submit a job, so it must not become a window into the user's network: the address is
// checked when the connection is made, after DNS and after every redirect, so that a name that answers differently the
// second time changes nothing. Errors say what to change, and nothing about the server behind an address.
package fetch
