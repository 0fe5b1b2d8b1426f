package fetch

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

func open(t *testing.T, c *Client, ref string) ([]byte, *Body, error) {
	t.Helper()
	body, err := c.Open(context.Background(), ref)
	if err != nil {
		return nil, nil, err
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	return b, body, err
}

func wantCode(t *testing.T, err error, code Code) {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, e.Code, e.Error())
	for _, leak := range []string{"127.0.0", "dial", "tcp", "lookup", "refused:"} {
		require.NotContains(t, e.Error(), leak)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, a := range []string{
		"127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.192", "198.18.0.1", "224.0.0.1",
		"239.255.255.250", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1",
		"fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:100.64.0.1", "::ffff:0.0.0.0",
		"::ffff:198.18.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "fec0::1",
		"2001:db8::1", "203.0.113.7",
	} {
		require.False(t, public(netip.MustParseAddr(a)), a)
	}
	for _, a := range []string{"1.1.1.1", "8.8.8.8", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111",
		"::ffff:1.1.1.1"} {
		require.True(t, public(netip.MustParseAddr(a)), a)
	}
}

func TestForbiddenURLsAreRefusedWithoutARequest(t *testing.T) {
	t.Parallel()
	var hits atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer srv.Close()
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	require.NoError(t, err)
	strict, lax := New(Config{}), New(Config{AllowHTTP: true})
	for _, c := range []struct {
		client *Client
		url    string
		code   Code
	}{
		{strict, "http://example.com/a.png", BadURL},
		{strict, "ftp://example.com/a.png", BadURL},
		{strict, "file:///etc/passwd", BadURL},
		{strict, "gopher://127.0.0.1:70/", BadURL},
		{strict, "https://user:pw@example.com/a.png", BadURL},
		{strict, "https:///a.png", BadURL},
		{strict, "https:example.com", BadURL},
		{strict, "https://exa mple.com/", BadURL},
		{strict, "data:nonsense", BadURL},
		{lax, srv.URL, Refused},
		{lax, "http://localhost:" + port + "/", Refused},
		{lax, "http://[::1]:" + port + "/", Refused},
		{lax, "http://[::ffff:127.0.0.1]:" + port + "/", Refused},
		{lax, "http://0.0.0.0:" + port + "/", Refused},
		{lax, "http://169.254.169.254/latest/meta-data/", Refused},
		{lax, "http://10.0.0.1/", Refused},
		{strict, "https://192.168.0.1/", Refused},
	} {
		_, _, err := open(t, c.client, c.url)
		require.Error(t, err, c.url)
		wantCode(t, err, c.code)
	}
	// Spellings of 127.0.0.1 that C libraries know: refused or not found, never reached.
	for _, host := range []string{"0x7f000001", "2130706433", "0177.0.0.1", "127.1", "LOCALHOST."} {
		_, _, err := open(t, lax, "http://"+host+":"+port+"/")
		require.Error(t, err, host)
	}
	require.Zero(t, hits.Load(), "nothing was asked")
}

func TestEnvironmentProxyIsNotUsed(t *testing.T) {
	var hits atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer proxy.Close()
	for _, v := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(v, proxy.URL)
	}
	_, _, err := open(t, New(Config{AllowHTTP: true}), "http://10.255.255.1/x")
	wantCode(t, err, Refused)
	require.Zero(t, hits.Load())
}

func TestAllowedHostIsReadOverTLS(t *testing.T) {
	t.Parallel()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Empty(t, r.Header.Get("Authorization"))
		w.Header().Set("Content-Disposition", `attachment; filename="../voz.mp3"`)
		fmt.Fprint(w, "hello")
	}))
	defer srv.Close()
	addr := srv.Listener.Addr().String()

	_, _, err := open(t, New(Config{AllowedHosts: []string{addr}}), srv.URL+"/x")
	wantErrCode(t, err, Unreachable) // its certificate is not known

	c := New(Config{AllowedHosts: []string{addr}})
	trust(c, srv)
	b, body, err := open(t, c, srv.URL+"/x")
	require.NoError(t, err)
	require.Equal(t, "hello", string(b))
	require.Equal(t, "../voz.mp3", body.Filename, "a hint, sanitised by who keeps it")

	other := New(Config{AllowedHosts: []string{"127.0.0.1:1"}})
	trust(other, srv)
	_, _, err = open(t, other, srv.URL+"/x")
	wantCode(t, err, Refused)
}

func trust(c *Client, srv *httptest.Server) {
	c.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{
		RootCAs: srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs,
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	var secret atomic.Int64
	private := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { secret.Add(1) }))
	defer private.Close()
	var to atomic.Value
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, to.Load().(string), http.StatusFound)
	}))
	defer srv.Close()
	c := New(Config{AllowHTTP: true, AllowedHosts: []string{srv.Listener.Addr().String()}})
	for target, code := range map[string]Code{
		private.URL:                       Refused,
		"http://169.254.169.254/":         Refused,
		"http://u:p@" + private.URL[7:]:   BadURL,
		"file:///etc/passwd":              BadURL,
		"/again":                          Unreachable, // for ever
		"https://127.0.0.1:1/":            Refused,
		"http://[::ffff:192.168.1.1]/any": Refused,
	} {
		to.Store(target)
		_, _, err := open(t, c, srv.URL)
		require.Error(t, err, target)
		wantCode(t, err, code)
	}
	require.Zero(t, secret.Load())
}

// TestAddressIsCheckedAtEachConnection plays DNS rebinding: the name answers with a good address first, then with
// a private one. 127.0.0.1 stands for the internet here, and 127.0.0.2 for the private network.
func TestAddressIsCheckedAtEachConnection(t *testing.T) {
	t.Parallel()
	var hits, secret atomic.Int64
	good, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(good.Addr().String())
	require.NoError(t, err)
	bad, err := net.Listen("tcp", "127.0.0.2:"+port)
	require.NoError(t, err)
	srv := &http.Server{
		ReadHeaderTimeout: time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			hits.Add(1)
			http.Redirect(w, r, "http://turns.test:"+port+"/secret", http.StatusFound)
		}),
	}
	inner := &http.Server{
		ReadHeaderTimeout: time.Second,
		Handler:           http.HandlerFunc(func(http.ResponseWriter, *http.Request) { secret.Add(1) }),
	}
	go srv.Serve(good)
	go inner.Serve(bad)
	defer srv.Close()
	defer inner.Close()

	dns := newDNS(t, func(n int64) [4]byte {
		if n == 1 {
			return [4]byte{127, 0, 0, 1}
		}
		return [4]byte{127, 0, 0, 2}
	})
	c := New(Config{AllowHTTP: true, Resolver: dns})
	c.public = func(a netip.Addr) bool { return a == netip.MustParseAddr("127.0.0.1") }
	_, _, err = open(t, c, "http://turns.test:"+port+"/")
	wantCode(t, err, Refused)
	require.EqualValues(t, 1, hits.Load(), "the first address was good and was asked")
	require.Zero(t, secret.Load())
}

// newDNS is a resolver over a DNS server of our own; answer is asked for the n-th A question.
func newDNS(t *testing.T, answer func(n int64) [4]byte) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	var n atomic.Int64
	go func() {
		buf := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:size]) != nil || len(m.Questions) == 0 {
				continue
			}
			m.Response, m.Authoritative, m.Additionals = true, true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body:   &dnsmessage.AResource{A: answer(n.Add(1))},
				}}
			}
			if out, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/announced":
			w.Header().Set("Content-Length", "2000000")
			w.WriteHeader(200)
		case "/chunked":
			for range 100 {
				if _, err := w.Write(make([]byte, 1024)); err != nil {
					return
				}
				w.(http.Flusher).Flush()
			}
		case "/slow":
			w.(http.Flusher).Flush()
			<-release
		case "/broken":
			w.Header().Set("Content-Length", "5000")
			fmt.Fprint(w, "half")
		case "/zip": // would unpack to more than the limit
			require.Empty(t, r.Header.Get("Accept-Encoding"))
			fmt.Fprint(w, "ok")
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer srv.Close()
	defer close(release)
	c := New(
		Config{
			AllowHTTP:    true,
			AllowedHosts: []string{"127.0.0.1"},
			MaxBytes:     50 << 10,
			Timeout:      300 * time.Millisecond,
		},
	)
	for path, code := range map[string]Code{"/announced": TooLarge, "/chunked": TooLarge, "/slow": TimedOut,
		"/broken": Unreachable, "/none": BadStatus} {
		_, _, err := open(t, c, srv.URL+path)
		require.Error(t, err, path)
		wantErrCode(t, err, code)
	}
	_, _, err := open(t, c, srv.URL+"/broken")
	require.ErrorContains(t, err, "broke off")
	b, _, err := open(t, c, srv.URL+"/zip")
	require.NoError(t, err)
	require.Equal(t, "ok", string(b))

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = c.Open(ctx, srv.URL+"/slow")
	require.ErrorIs(t, err, context.Canceled)
}

// wantErrCode is wantCode for a host that the user named by its address, which may then appear.
func wantErrCode(t *testing.T, err error, code Code) {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, e.Code, e.Error())
}

func TestDataURIs(t *testing.T) {
	t.Parallel()
	want := bytes.Repeat([]byte{0, 250, 251, 252, 253, 254, 255}, 1000)
	std := base64.StdEncoding.EncodeToString(want)
	c := New(Config{MaxBytes: 8000})
	for name, uri := range map[string]string{
		"standard":       "data:image/png;base64," + std,
		"upper case":     "DATA:;BASE64," + std,
		"url alphabet":   "data:x/y;charset=a;base64," + base64.RawURLEncoding.EncodeToString(want),
		"broken lines":   "data:x/y;base64," + strings.Join([]string{std[:77], std[77:999], std[999:]}, "\r\n"),
		"percent escape": "data:x/y;base64," + strings.ReplaceAll(std, "+", "%2B"),
	} {
		b, _, err := open(t, c, uri)
		require.NoError(t, err, name)
		require.Equal(t, want, b, name)
	}
	b, _, err := open(t, c, "data:,a%20b")
	require.NoError(t, err)
	require.Equal(t, "a b", string(b))

	for uri, code := range map[string]Code{
		"data:;base64,!!!!":                  BadURL,
		"data:;base64,QUJD*":                 BadURL,
		"data:;base64,QUJDR":                 BadURL,
		"data:,%zz":                          BadURL,
		"data:;base64," + std + std:          TooLarge,
		"data:," + strings.Repeat("a", 9000): TooLarge,
	} {
		_, _, err := open(t, c, uri)
		require.Error(t, err)
		wantErrCode(t, err, code)
	}
}

func TestIsRef(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"https://a/b", "HTTP://a", "data:,x", "ftp://x", "file:///x"} {
		require.True(t, IsRef(s), s)
	}
	for _, s := range []string{"", "01926b3e-0000-7000-8000-000000000000", "Minha Voz", "note: hello"} {
		require.False(t, IsRef(s), s)
	}
}
