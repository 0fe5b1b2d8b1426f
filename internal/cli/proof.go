package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/apibr/studio/internal/auth"
)

// proofPatience bounds the wait for a proof on a new connection.
const proofPatience = 10 * time.Second

// errNotOurs says that whoever answers does not have the key of the data directory, which is therefore not sent.
var errNotOurs = errors.New("this is not the studio of the data directory")

// ownTransport lets a request with the data directory's own key onto no connection on which the studio of that data
// directory has not just proved who it is: neither another address, nor another process at this one, nor a redirection
// gets the key.
func ownTransport(token string) *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:errcheck,forcetypeassert // it is one
	transport.Proxy = nil                                        // the studio of this computer is not behind one
	transport.ForceAttemptHTTP2 = false
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{Timeout: proofPatience}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if err := askProof(conn, address, token); err != nil {
			conn.Close()
			return nil, err
		}
		return conn, nil
	}
	return transport
}

func askProof(conn net.Conn, host, token string) error {
	if err := conn.SetDeadline(time.Now().Add(proofPatience)); err != nil {
		return err
	}
	nonce := auth.NewNonce()
	request := &http.Request{Method: http.MethodGet, Host: host, Header: http.Header{},
		URL: &url.URL{Path: auth.ProofPath, RawQuery: url.Values{"nonce": {nonce}}.Encode()}}
	if err := request.Write(conn); err != nil {
		return err
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, request)
	if err != nil {
		var network net.Error
		if errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		return fmt.Errorf("%w: it does not speak HTTP", errNotOurs)
	}
	defer response.Body.Close()
	const longest = 1 << 10
	proof, err := io.ReadAll(io.LimitReader(response.Body, longest))
	if err != nil {
		return err
	}
	if response.StatusCode == http.StatusServiceUnavailable || response.StatusCode == http.StatusTooManyRequests {
		return io.ErrUnexpectedEOF // it is not ready to say who it is
	}
	address, ok := auth.AddressOf(conn.RemoteAddr())
	if response.StatusCode != http.StatusOK || response.Close || reader.Buffered() > 0 || !ok ||
		!auth.ProofHolds(string(proof), token, nonce, address) {
		return errNotOurs
	}
	return conn.SetDeadline(time.Time{})
}
