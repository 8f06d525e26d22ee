package integration_test

import (
	"io"
	"math"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const unlimited = math.MaxInt

// proxy passes TCP connections on, and breaks them when the test says so. Each reader has its own.
type proxy struct {
	// URL is where readers connect to, without a slash at the end.
	URL string

	listener net.Listener
	upstream string
	wait     sync.WaitGroup

	mu      sync.Mutex
	clients map[net.Conn]bool
	gate    chan struct{} // closed: connections pass; open: they wait
	credit  int           // bytes that may still go to the client before the connection is cut
	cuts    int           // how often a connection was cut
	closed  bool
}

// startProxy passes connections on to a host:port until the test ends.
func startProxy(t *testing.T, upstream string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{
		URL: "http://" + listener.Addr().String(), listener: listener, upstream: upstream,
		clients: make(map[net.Conn]bool), gate: make(chan struct{}), credit: unlimited,
	}
	close(p.gate)
	p.wait.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// cut resets the connection that is there now. With hold, those that come after it wait for release.
func (p *proxy) cut(hold bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if hold {
		p.gate = make(chan struct{})
	}
	p.cutLocked()
}

// release lets waiting connections pass.
func (p *proxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gate:
	default:
		close(p.gate)
	}
}

// cutAfter ends the connection once n more bytes have gone to the client, in the middle of whatever it is. To the client
// that looks like an orderly end.
func (p *proxy) cutAfter(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.credit = n
}

// cutNow cuts if cutAfter was called and has not done so yet.
func (p *proxy) cutNow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.credit != unlimited {
		p.cutLocked()
	}
}

// timesCut returns how many connections were cut.
func (p *proxy) timesCut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

func (p *proxy) cutLocked() {
	for c := range p.clients {
		if tcp, ok := c.(*net.TCPConn); ok && p.credit != 0 {
			_ = tcp.SetLinger(0) // close with RST
		}
		_ = c.Close()
		delete(p.clients, c)
		p.cuts++
	}
	p.credit = unlimited
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.cutLocked()
	p.mu.Unlock()
	p.release()
	p.wait.Wait()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		gate := p.gate
		p.mu.Unlock()
		p.wait.Go(func() {
			<-gate
			p.pass(client)
		})
	}
}

func (p *proxy) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		_ = server.Close()
		return
	}
	p.clients[client] = true
	p.mu.Unlock()

	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	})
	p.download(client, server)
	_ = server.Close()
	_ = client.Close()
	up.Wait()

	p.mu.Lock()
	delete(p.clients, client)
	p.mu.Unlock()
}

// download copies to the client as long as there is credit.
func (p *proxy) download(client, server net.Conn) {
	buf := make([]byte, 4<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		n = min(n, p.credit)
		if p.credit != unlimited {
			p.credit -= n
		}
		p.mu.Unlock()
		if _, err = client.Write(buf[:n]); err != nil {
			return
		}
		p.mu.Lock()
		if p.credit == 0 {
			p.cutLocked()
		}
		p.mu.Unlock()
	}
}
