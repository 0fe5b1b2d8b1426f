package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/netip"
)

// A command line that has cli.token of a data directory sends it only to a studio that has it too. The studio shows that by a MAC
// over a number that the command line has just thought of and over the address at which it was reached: a process that passes the
// question on to the studio gets an answer for the studio's address, which is not its own.

// ProofPath is where a studio proves that it has the token of its data directory.
const ProofPath = "/api/v1/auth/proof"

// Proof shows that its maker has the token, to who has sent the nonce to the address.
func Proof(token, nonce string, address netip.AddrPort) string {
	key := sha256.Sum256([]byte("apibr studio proof\x00" + token))
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte(nonce + "\x00" + plainAddress(address)))
	return hex.EncodeToString(mac.Sum(nil))
}

// ProofHolds tells whether a Proof is the right one.
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

// plainAddress writes an address in one way: both ends of a connection must agree on it.
func plainAddress(a netip.AddrPort) string {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()).String()
}
