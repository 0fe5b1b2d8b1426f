package storetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/apibr/studio/internal/store"
)

// Proxy stands between a test and the real Postgres. It passes everything on, and can lose the same things as a network
// or a dying server: the answer to a commit that has happened, the connections that are open, the server as a whole.
type Proxy struct {
	dsn    string
	target string
	listen net.Listener

	mu    sync.Mutex
	down  bool
	after int  // answers until one is lost; 0 is never
	any   bool // any says that reads count too
	lost  int
	open  map[net.Conn]struct{}
}

// NewProxy listens before the database of dsn until the test's end.
func NewProxy(t testing.TB, dsn string) *Proxy {
	t.Helper()
	address, err := url.Parse(dsn)
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	query := address.Query()
	port := query.Get("port")
	if port == "" {
		port = "5432"
	}
	dir, err := os.MkdirTemp("", "apibr-proxy-") // short: the name of a socket has a limit
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	name := ".s.PGSQL." + port
	p := &Proxy{target: filepath.Join(query.Get("host"), name), open: map[net.Conn]struct{}{}}
	if p.listen, err = net.Listen("unix", filepath.Join(dir, name)); err != nil {
		t.Fatalf("storetest: %v", err)
	}
	query.Set("host", dir)
	address.RawQuery = query.Encode()
	p.dsn = address.String()
	go p.accept()
	t.Cleanup(func() { p.Down(); _ = p.listen.Close() })
	return p
}

// Open is New through the proxy.
func (p *Proxy) Open(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Config{DSN: p.dsn, MaxConns: 12})
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// LoseAnswer drops the answer to the nth commit from now (1 is the next) and cuts its connection.
func (p *Proxy) LoseAnswer(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.after, p.any = n, false
}

// LoseAnyAnswer is LoseAnswer that counts the answers to reads too; 0 takes either back.
func (p *Proxy) LoseAnyAnswer(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.after, p.any = n, true
}

// Lost is how many answers were dropped.
func (p *Proxy) Lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

// Down cuts all connections and takes no new ones, as if the server had gone.
func (p *Proxy) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	for conn := range p.open {
		_ = conn.Close()
	}
}

// Up takes connections again.
func (p *Proxy) Up() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}

func (p *Proxy) accept() {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return
		}
		go p.serve(client)
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.keep(client, server) {
		return
	}
	defer p.forget(client, server)
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	p.answers(client, server)
}

func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		if !p.down {
			p.open[conn] = struct{}{}
		}
	}
	return !p.down
}

func (p *Proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		delete(p.open, conn)
	}
}

// answers passes the server's messages on, those of one request at a time, so that an answer can be lost as a whole.
func (p *Proxy) answers(client, server net.Conn) {
	var pending bytes.Buffer
	committed := false
	for {
		var head [5]byte
		if _, err := io.ReadFull(server, head[:]); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(server, body); err != nil {
			return
		}
		pending.Write(head[:])
		pending.Write(body)
		switch head[0] {
		case 'C': // a command is complete; outside a transaction block it commits with the request
			tag, _, _ := strings.Cut(string(bytes.TrimRight(body, "\x00")), " ")
			committed = tag != "ROLLBACK" && (committed || writes[tag])
		case 'E':
			committed = false
		case 'Z': // ready for the next request: I is outside a transaction block
			if p.loses(committed && body[0] == 'I') {
				return
			}
			committed = committed && body[0] != 'I'
		}
		if head[0] == 'Z' || head[0] == 'R' || head[0] == 'A' || pending.Len() > 1<<20 {
			if _, err := client.Write(pending.Bytes()); err != nil {
				return
			}
			pending.Reset()
		}
	}
}

// writes are the commands that change rows, and the one that ends a transaction block.
var writes = map[string]bool{"COMMIT": true, "INSERT": true, "UPDATE": true, "DELETE": true}

// loses counts an answer and says whether it is the one to lose.
func (p *Proxy) loses(commit bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.after == 0 || !commit && !p.any {
		return false
	}
	p.after--
	if p.after > 0 {
		return false
	}
	p.lost++
	return true
}
