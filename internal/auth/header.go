package auth

import (
	"net/http"
	"slices"
	"strings"

	"github.com/apibr/studio/internal/i18n"
)

// These sentences name the fault in the way a credential was sent. None repeats a part of the credential, which may be
// a secret.

// keyLength is the length of every key.
const keyLength = len(KeyPrefix) + keyBytes*138/100 + 1

const sendIt = ": send `Authorization: Bearer apibr_...` or `X-API-Key: apibr_...`"

// otherHeaders are headers in which some clients put keys, and which are not read.
var otherHeaders = []string{
	"Api-Key",
	"Apikey",
	"X-Apikey",
	"X-Auth-Token",
	"X-Access-Token",
	"Token",
	"Auth",
	"Key",
	"Bearer",
}

// missingDetail names the fault of a request that seems to try to send a credential but has none; empty when it does
// not try.
func missingDetail(r *http.Request) i18n.Sentence {
	for _, header := range []string{"Authorization", "X-Api-Key"} {
		if values, sent := r.Header[header]; sent && strings.TrimSpace(strings.Join(values, "")) == "" {
			return i18n.Say("the header %s is empty: if an expression fills it, look at what that gives", header)
		}
	}
	for _, header := range otherHeaders {
		if r.Header.Get(header) != "" {
			return i18n.Say("no key is read from the header %s"+sendIt, header)
		}
	}
	if keyInURL(r) {
		return i18n.Say(
			"a key in the address is not taken, since addresses are written to logs" + sendIt + ", and revoke this one",
		)
	}
	return i18n.Sentence{}
}

// keyInURL says whether a query parameter is a key, by its name or its look.
func keyInURL(r *http.Request) bool {
	for name, values := range r.URL.Query() {
		switch strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(name)) {
		case "apikey", "key", "token", "accesstoken", "bearer", "auth", "authorization", "xapikey":
			return true
		}
		for _, value := range values {
			if strings.HasPrefix(value, KeyPrefix) {
				return true
			}
		}
	}
	return false
}

// malformedDetail names the fault of a header that does not hold a key of this studio.
func malformedDetail(r *http.Request) i18n.Sentence {
	h, fromAuthorization := strings.TrimSpace(r.Header.Get("Authorization")), true
	if h == "" {
		h, fromAuthorization = strings.TrimSpace(r.Header.Get("X-API-Key")), false
	}
	words := strings.Fields(h)
	bearer := len(words) > 0 && strings.EqualFold(strings.TrimSuffix(words[0], ":"), "Bearer")
	switch {
	case !fromAuthorization && bearer:
		return i18n.Say("the header X-API-Key takes the key alone, without the word Bearer")
	case fromAuthorization && !bearer && looksLikeKey(unwrap(words[0])):
		return i18n.Say(
			"the Authorization header lacks the word Bearer before the key: send `Authorization: Bearer apibr_...`",
		)
	case fromAuthorization && !bearer:
		switch scheme := strings.ToLower(words[0]); scheme {
		case "basic", "digest", "token", "apikey", "negotiate", "ntlm":
			return i18n.Say(
				"the Authorization header has the scheme %s, and keys are sent with Bearer: send `Authorization: "+
					"Bearer apibr_...`",
				scheme,
			)
		}
		return i18n.Say(
			"the Authorization header does not begin with the word Bearer: send `Authorization: Bearer apibr_...`",
		)
	case fromAuthorization && len(words) == 1:
		return i18n.Say(
			"the Authorization header has the word Bearer and no key after it: " +
				"if an expression fills it, look at what that gives",
		)
	case fromAuthorization && strings.HasSuffix(words[0], ":"):
		return i18n.Say("the Authorization header has a colon after Bearer: send `Authorization: Bearer apibr_...`")
	case fromAuthorization && strings.EqualFold(words[1], "Bearer"):
		return i18n.Say(
			"the Authorization header has the word Bearer twice: leave one out; some clients write it by themselves",
		)
	}
	if fromAuthorization {
		words = words[1:]
	}
	key := strings.Join(words, " ")
	switch {
	case looksLikeKey(unwrap(key)) && unwrap(key) != key:
		return i18n.Say("the key stands in quotes or brackets: send it alone")
	case strings.Contains(key, "{{"):
		return i18n.Say("the header holds an expression that was not evaluated: in n8n, switch the field to Expression")
	case slices.Contains([]string{"undefined", "null", "NaN", "None", "[object Object]"}, key):
		return i18n.Say("the header holds what an expression leaves that found no value: look at what it gives")
	case strings.HasPrefix(key, "eyJ"):
		return i18n.Say("this version takes API keys only, and this is a JWT" + sendIt)
	case len(words) > 1:
		return i18n.Say("there is a blank inside the key: copy it again")
	}
	return i18n.Sentence{}
}

// unwrap a key that stands in quotes or brackets.
func unwrap(text string) string { return strings.Trim(text, "\"'`<>{}[]()“”") }

// faultOf names the fault in the form of a key with the right prefix; empty when its form is right.
func faultOf(key string) i18n.Sentence {
	rest := strings.TrimPrefix(key, KeyPrefix)
	switch {
	case strings.ContainsAny(rest, " \t\r\n"):
		return i18n.Say("there is a blank inside the key: copy it again")
	case strings.Contains(rest, "…") || strings.Contains(rest, "..."):
		return i18n.Say(
			"this is a shortened key, as lists show it: the whole one was shown once, when it was made; make another",
		)
	case strings.IndexFunc(rest, func(c rune) bool { return !strings.ContainsRune(alphabet, c) }) >= 0:
		return i18n.Say("the key holds a character that no key has: copy it again, without quotes or commas")
	case len(key) < keyLength:
		return i18n.Say("the key has %d characters and should have %d: it was cut when it was copied", len(key),
			keyLength)
	case len(key) > keyLength:
		return i18n.Say("the key has %d characters and should have %d: there is something after it", len(key),
			keyLength)
	}
	return i18n.Sentence{}
}
