package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/netip"
)

// The command line sends the cli.token of a data directory only to a studio that has it too. The studio proves that by
// a MAC over a nonce of the command line and over the address at which it was reached. The address stops relays: a
// process that passes the question on to the studio gets a proof for the studio's address, not for its own.

// ProofPath is where a studio proves that it has the token of its data directory.
const ProofPath = "/api/v1/auth/proof"

// Proof proves to the sender of the nonce that the process at the address has the token.
func Proof(token, nonce string, address netip.AddrPort) string {
	key := sha256.Sum256([]byte("apibr studio proof\x00" + token))
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte(nonce + "\x00" + canonicalAddress(address)))
	return hex.EncodeToString(mac.Sum(nil))
}

// ProofHolds says whether a Proof is the right one.
func ProofHolds(proof, token, nonce string, address netip.AddrPort) bool {
	return hmac.Equal([]byte(proof), []byte(Proof(token, nonce, address)))
}

// NewNonce is a number that was never used.
func NewNonce() string { return newSecret("", tokenBytes) }

// AddressOf is the address of one end of a TCP connection; false for another kind of connection.
func AddressOf(a net.Addr) (netip.AddrPort, bool) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, false
	}
	return tcp.AddrPort(), true
}

// canonicalAddress is the one way to write an address: both ends of a connection must write the same.
func canonicalAddress(a netip.AddrPort) string {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()).String()
}
