package netlimit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const patience = 20 * time.Second

// logged is a log that a test reads while the server writes.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// serve a handler within limits; short pauses, so that tests end soon.
func serve(
	t *testing.T,
	limits Limits,
	handler http.HandlerFunc,
	wrap ...func(net.Listener) net.Listener,
) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address = listener.Addr().String()
	for _, w := range wrap {
		listener = w(listener)
	}
	const short = 300 * time.Millisecond
	orElse(&limits.ReadPause, short)
	orElse(&limits.WritePause, short)
	server := &http.Server{
		Handler:           limits.Handler(handler),
		ReadHeaderTimeout: limits.ReadPause,
		IdleTimeout:       patience,
		ConnContext:       Context,
		ConnState:         Watch,
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(limits.Listen(listener)) }()
	t.Cleanup(func() { server.Close(); <-ended })
	return address
}

func dial(t *testing.T, address, request string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	return conn
}

// ends waits until the server has ended the connection.
func ends(t *testing.T, conn net.Conn) string {
	t.Helper()
	content, err := io.ReadAll(conn)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the server must end the connection")
	return string(content)
}

func get(t *testing.T, address string) int {
	t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + address + "/")
	require.NoError(t, err)
	defer response.Body.Close()
	return response.StatusCode
}

func ok(w http.ResponseWriter, r *http.Request) {
	if Refused(r.Context()) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); errors.Is(err, ErrSlow) {
		w.WriteHeader(http.StatusRequestTimeout)
	}
}

const post = "POST / HTTP/1.1\r\nHost: x\r\n"

// TestConnectionWithoutProgressEnds sends a head or a body that never comes, or comes byte by byte.
func TestConnectionWithoutProgressEnds(t *testing.T) {
	address := serve(t, Limits{}, ok)
	for name, begin := range map[string]string{
		"nothing": "", "half a head": post,
		"a body that never comes":  post + "Content-Length: 100\r\n\r\n",
		"half a body":              post + "Content-Length: 100\r\n\r\nabc",
		"a chunk that never comes": post + "Transfer-Encoding: chunked\r\n\r\n64\r\n",
		"no trailer":               post + "Transfer-Encoding: chunked\r\n\r\n0\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ends(t, dial(t, address, begin))
		})
		for drip, piece := range map[string]string{
			"byte by byte": "x", "header by header": "a: b\r\n", "chunk by chunk": "1\r\nx\r\n",
		} {
			t.Run(name+", then "+drip, func(t *testing.T) {
				t.Parallel()
				conn := dial(t, address, begin)
				gone := make(chan struct{})
				go func() { defer close(gone); ends(t, conn) }()
				tick := time.NewTicker(20 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-gone:
						return
					case <-tick.C:
						_, _ = io.WriteString(conn, piece)
					}
				}
			})
		}
	}
}

// TestSlowUploadWithProgressIsAccepted however long it takes.
func TestSlowUploadWithProgressIsAccepted(t *testing.T) {
	pause := time.Second
	address := serve(t, Limits{ReadPause: pause, MinRate: 1 << 10}, ok)
	const pieces, size = 60, 512
	conn := dial(t, address, fmt.Sprintf(post+"Content-Length: %d\r\n\r\n", pieces*size))
	tick := time.NewTicker(25 * time.Millisecond) // longer than the pause, in all
	defer tick.Stop()
	for range pieces {
		<-tick.C
		_, err := conn.Write(make([]byte, size))
		require.NoError(t, err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
}

// endless writes until the caller is cut.
func endless(cut chan<- error, piece int, flush bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			return
		}
		buffer := make([]byte, piece)
		for {
			_, err := w.Write(buffer)
			if err == nil && flush {
				err = http.NewResponseController(w).Flush()
			}
			if err != nil {
				cut <- err
				return
			}
		}
	}
}

// TestAnAnswerThatIsNeverReadEnds for a download, an event stream and a connection that a socket took over.
func TestAnAnswerThatIsNeverReadEnds(t *testing.T) {
	cut := make(chan error, 1)
	hijacked := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			cut <- err
			return
		}
		defer conn.Close()
		for err == nil {
			_, err = conn.Write(make([]byte, 4<<10))
		}
		cut <- err
	}
	for name, handler := range map[string]http.HandlerFunc{
		"a download": endless(cut, 256<<10, false), "small pieces": endless(cut, 512, true), "a socket": hijacked,
	} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, Limits{}, handler)
			dial(t, address, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
			select {
			case err := <-cut:
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			case <-time.After(patience):
				t.Fatal("the answer is still written")
			}
		})
	}
}

// TestASlowReaderGetsTheWholeAnswer: the reader takes a little in each of many pauses.
func TestASlowReaderGetsTheWholeAnswer(t *testing.T) {
	const size = 12 << 20
	address := serve(
		t,
		Limits{WritePause: time.Second, MinRate: 1 << 10},
		func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, size))
		},
	)
	conn := dial(t, address, "GET / HTTP/1.0\r\nHost: x\r\n\r\n")
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(64<<10))
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	total, piece := 0, make([]byte, 64<<10)
	for {
		<-tick.C
		n, err := conn.Read(piece)
		total += n
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
	require.Greater(t, total, size)
}

// TestHijackedConnectionsKeepTheirDeadline: sockets set their own.
func TestHijackedConnectionsKeepTheirDeadline(t *testing.T) {
	cut := make(chan error, 1)
	address := serve(t, Limits{WritePause: patience}, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		defer conn.Close()
		err := conn.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		for err == nil {
			_, err = conn.Write(make([]byte, 64<<10))
		}
		cut <- err
	})
	dial(t, address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.ErrorIs(t, <-cut, os.ErrDeadlineExceeded)
}

// TestIdleConnectionsAreClosedForNewOnes: new callers are served however many idle connections are open.
func TestIdleConnectionsAreClosedForNewOnes(t *testing.T) {
	address := serve(t, Limits{MaxConnections: 8, ReadPause: patience}, ok)
	var idlers []net.Conn
	for i := range 40 {
		begin := ""
		switch i % 3 {
		case 1:
			begin = post // half a head
		case 2:
			begin = "GET / HTTP/1.1\r\nHost: x\r\n\r\n" // and then nothing
		}
		idlers = append(idlers, dial(t, address, begin))
	}
	for range 5 {
		require.Equal(t, http.StatusOK, get(t, address))
	}
	ends(t, idlers[0])
}

// TestCallersThatReadNothingAreClosedForNewOnes long before their own deadline.
func TestCallersThatReadNothingAreClosedForNewOnes(t *testing.T) {
	cut := make(chan error, 8)
	big := endless(cut, 64<<10, false)
	address := serve(
		t,
		Limits{MaxConnections: 3, ReadPause: patience, WritePause: patience},
		func(w http.ResponseWriter, r *http.Request) {
			if Refused(r.Context()) {
				ok(w, r)
				return
			}
			big(w, r)
		},
	)
	for range 3 {
		dial(t, address, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	require.Eventually(t, func() bool { return get(t, address) == http.StatusOK }, patience, patience/100)
	require.Error(t, <-cut)
}

// TestRefusedConnectionIsAnswered: the refusal comes when every open connection serves a request.
func TestRefusedConnectionIsAnswered(t *testing.T) {
	var log logged
	release, begun := make(chan struct{}), make(chan struct{})
	address := serve(
		t,
		Limits{MaxConnections: 3, ReadPause: patience, Log: slog.New(slog.NewTextHandler(&log, nil))},
		func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/long" && !Refused(r.Context()) {
				begun <- struct{}{}
				<-release
			}
			ok(w, r)
		},
	)
	var busy []net.Conn
	for range 3 {
		busy = append(busy, dial(t, address, "GET /long HTTP/1.0\r\nHost: x\r\n\r\n"))
		<-begun
	}
	require.Equal(t, http.StatusServiceUnavailable, get(t, address))
	require.Contains(t, log.String(), "server.max_connections")
	for range 3 * overflow { // silent ones beyond the cap are not kept for ever
		dial(t, address, "")
	}
	close(release)
	for _, conn := range busy {
		require.Contains(t, ends(t, conn), "200 OK", "a request under way is not cut for another")
	}
	require.Equal(t, http.StatusOK, get(t, address))
}

// elsewhere is a listener whose connections come from another computer.
type elsewhere struct {
	net.Listener
	remote string
}

type distant struct {
	net.Conn
	remote net.Addr
}

func (d distant) RemoteAddr() net.Addr { return d.remote }

func (e elsewhere) Accept() (net.Conn, error) {
	conn, err := e.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return distant{conn, &net.TCPAddr{IP: net.ParseIP(e.remote), Port: 5000}}, nil
}

func TestOneAddressCannotTakeAllConnections(t *testing.T) {
	for remote, want := range map[string]int{
		"192.0.2.7": http.StatusServiceUnavailable, "2001:db8::7": http.StatusServiceUnavailable,
		"127.0.0.1": http.StatusOK, "::1": http.StatusOK,
	} {
		t.Run(remote, func(t *testing.T) {
			release, begun := make(chan struct{}), make(chan struct{})
			defer close(release)
			address := serve(
				t,
				Limits{MaxConnections: 100, MaxPerAddress: 2},
				func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/long" {
						begun <- struct{}{}
						<-release
					}
					ok(w, r)
				},
				func(l net.Listener) net.Listener { return elsewhere{l, remote} },
			)
			for range 2 {
				dial(t, address, "GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
				<-begun
			}
			require.Equal(t, want, get(t, address))
		})
	}
}

func TestConnectionsAreCountedByAddress(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7:1": "192.0.2.7", "[::ffff:192.0.2.7]:1": "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:1": "2001:db8:1:2::/64", "[fe80::1%eth0]:1": "fe80::/64",
	} {
		address, err := net.ResolveTCPAddr("tcp", text)
		require.NoError(t, err)
		got, local := group(address)
		require.Equal(t, want, got)
		require.False(t, local)
	}
	_, local := group(&net.UnixAddr{Name: "/x", Net: "unix"})
	require.True(t, local)
}

// failing is a listener whose first accepts fail.
type failing struct {
	net.Listener
	left int
	err  error
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left > 0 {
		f.left--
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", f.err)}
	}
	return f.Listener.Accept()
}

func TestAFailureToAcceptIsLoggedAndTriedAgain(t *testing.T) {
	for _, code := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED,
	} {
		var log logged
		limits := Limits{Log: slog.New(slog.NewTextHandler(&log, nil))}
		address := serve(t, limits, ok, func(l net.Listener) net.Listener { return &failing{l, 4, code} })
		require.Equal(t, http.StatusOK, get(t, address))
		require.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), log.String())
		require.Contains(t, log.String(), code.Error())
	}
	broken := Limits{}.Listen(&failing{nil, 1, syscall.EBADF})
	_, err := broken.Accept()
	require.ErrorIs(t, err, syscall.EBADF, "a listener that is broken ends the server")
}

// TestFewOpenFiles runs a server that may open few files, in a process of its own, and opens more connections than it
// can have.
func TestFewOpenFiles(t *testing.T) {
	if os.Getenv("APIBR_TEST_FEW_FILES") != "" {
		serveFewFiles()
		return
	}
	var log logged
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	process := exec.CommandContext(
		ctx,
		"sh",
		"-c",
		`ulimit -n 40; exec "$0" -test.run '^TestFewOpenFiles$'`,
		os.Args[0],
	)
	process.Env = append(os.Environ(), "APIBR_TEST_FEW_FILES=1")
	process.Stderr = &log
	out, err := process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	defer func() { cancel(); _ = process.Wait() }()
	address, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	address = strings.TrimSpace(address)
	for range 120 {
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		defer conn.Close()
	}
	require.Equal(t, http.StatusOK, get(t, address))
	require.Contains(t, log.String(), "level=ERROR")
	require.Contains(t, log.String(), "too many open files")
}

func serveFewFiles() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	limits := Limits{MaxConnections: 1000, ReadPause: patience, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	server := &http.Server{
		Handler:           limits.Handler(http.HandlerFunc(ok)),
		ReadHeaderTimeout: patience,
		ConnContext:       Context,
		ConnState:         Watch,
	}
	_ = server.Serve(limits.Listen(listener))
}

func TestOpenFilesLimitTheConnections(t *testing.T) {
	got, files := Affordable(8)
	require.Equal(t, 8, got)
	require.Positive(t, files)
	most := int(files)
	got, _ = Affordable(most)
	require.Less(t, got, most/2+1, "each may have a file beside it")
	require.Positive(t, got)
}
