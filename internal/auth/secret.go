package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"math/big"
	"strings"
)

const (
	// KeyPrefix begins every API key, so that secret scanners and people recognise one.
	KeyPrefix = "apibr_"

	keyBytes    = 24 // 192 bits
	tokenBytes  = 32
	shownPrefix = len(KeyPrefix) + 6 // leaves 157 bits unknown
)

// alphabet is Bitcoin's base58: it has no 0, O, I and l, and a double click selects the whole secret.
const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

func newSecret(prefix string, n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return prefix + base58(b)
}

func base58(b []byte) string {
	// Always as many digits as the largest value needs: the length reveals nothing.
	digits := len(b)*138/100 + 1
	n, radix, mod := new(big.Int).SetBytes(b), big.NewInt(58), new(big.Int)
	out := make([]byte, digits)
	for i := digits - 1; i >= 0; i-- {
		n.DivMod(n, radix, mod)
		out[i] = alphabet[mod.Int64()]
	}
	return string(out)
}

// hash is the form in which the database keeps a secret. A slow hash is for passwords, which can be guessed; these
// cannot.
func hash(secret string) [32]byte { return sha256.Sum256([]byte(secret)) }

func looksLikeKey(s string) bool { return strings.HasPrefix(s, KeyPrefix) && len(s) < 100 }
