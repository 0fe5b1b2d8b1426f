// Package datadir keeps others out of the folder that the studio trusts.
//
// Whoever can write in the data directory can have links signed, engines replaced and files read, so a studio does not
// start in one that others can write, or that holds something of another user or a link to somewhere else. Secrets are
// opened without following links, and only when they belong to the user who reads them.
package datadir

// AddressFile holds the address at which the studio of the directory listens, while it runs.
const AddressFile = "address"
