package integration_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/internal/redistest"
)

// balancer is a proxy that people put in front of their nodes, and the file of deploy/ that they copy for it.
type balancer struct {
	name, file string
	// local has what the file has to say for a process of a test, besides the nodes: old and new, in turns.
	local func(place) []string
	// asksReadyz says that it notices when a node is drained.
	asksReadyz bool
	// listensOnce says that it serves either HTTP or HTTPS.
	listensOnce bool
	// command runs it in the foreground, as one process that ends with the test.
	command func(dir, file string) []string
}

// place is where a process of a test may listen, and have files: a certificate in cert.pem, its key in key.pem, and both in
// both.pem.
type place struct{ dir, listen, secure string }

var balancers = []balancer{
	{
		name: "nginx", file: "pushstream.conf",
		local: func(p place) []string {
			const temporary = "client_body_temp_path DIR; proxy_temp_path DIR; fastcgi_temp_path DIR; uwsgi_temp_path DIR; scgi_temp_path DIR;"
			return []string{
				"listen 8080", "listen " + p.listen, "listen 443", "listen " + p.secure,
				"/etc/nginx/fullchain.pem", p.dir + "/cert.pem", "/etc/nginx/privkey.pem", p.dir + "/key.pem",
				"/run/", p.dir + "/", "/var/log/nginx/error.log", "stderr", "http {", "http { " + strings.ReplaceAll(temporary, "DIR", p.dir),
				"worker_rlimit_nofile 65536;", "", "worker_connections 32768", "worker_connections 512", // a test may be allowed fewer files
			}
		},
		command: func(dir, file string) []string {
			return []string{"nginx", "-e", "stderr", "-p", dir, "-c", file, "-g", "daemon off; master_process off;"}
		},
	},
	{
		name: "haproxy", file: "haproxy.cfg", asksReadyz: true,
		local: func(p place) []string {
			return []string{
				"bind :8080", "bind " + p.listen, "bind :443", "bind " + p.secure, "/etc/haproxy/site.pem", p.dir + "/both.pem",
				"maxconn 20000", "maxconn 512",
			}
		},
		command: func(_, file string) []string { return []string{"haproxy", "-db", "-f", file} },
	},
	{
		name: "caddy", file: "Caddyfile", asksReadyz: true, listensOnce: true,
		local: func(p place) []string {
			host, port, _ := strings.Cut(p.listen, ":")
			return []string{
				":8080 {", ":" + port + " {\nbind " + host,
				"/etc/caddy/fullchain.pem", p.dir + "/cert.pem", "/etc/caddy/privkey.pem", p.dir + "/key.pem",
			}
		},
		command: func(_, file string) []string {
			return []string{"caddy", "run", "--adapter", "caddyfile", "--config", file}
		},
	},
}

// read returns the file of deploy/ as it is.
func (b balancer) read(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "deploy", b.name, b.file))
	require.NoError(t, err)
	return string(text)
}

// withAffinity returns what the command in the head of the file makes of it.
func (b balancer) withAffinity(t *testing.T) string {
	t.Helper()
	command := regexp.MustCompile(`(?m)^# +(sed .* ` + b.file + `) > with-affinity`).FindStringSubmatch(b.read(t))
	require.NotNil(t, command)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", command[1])
	cmd.Dir = filepath.Join("..", "deploy", b.name)
	out, err := cmd.Output()
	require.NoError(t, err)
	return string(out)
}

// front is a balancer that runs.
type front struct {
	*node // without an admin listener

	secureURL string // for HTTPS
}

// start runs the balancer with a file, in which changes replace old by new, in turns. It is in front of three nodes, or three
// times in front of one.
func (b balancer) start(t *testing.T, file string, nodes []*node, changes ...string) front {
	t.Helper()
	p := place{dir: t.TempDir(), listen: redistest.FreeAddress(t), secure: redistest.FreeAddress(t)}
	if b.listensOnce {
		p.secure = p.listen
	}
	writeCertificate(t, p.dir)
	replace := append(slices.Clone(changes), b.local(p)...) // of two for the same words, the first counts
	for i, name := range []string{"node1:8080", "node2:8080", "node3:8080"} {
		replace = append(replace, name, strings.TrimPrefix(nodes[i%len(nodes)].URL, "http://"))
	}
	for i := 0; i < len(replace); i += 2 {
		require.Contains(t, file, replace[i])
	}
	path := filepath.Join(p.dir, b.file)
	require.NoError(t, os.WriteFile(path, []byte(strings.NewReplacer(replace...).Replace(file)), 0o600))
	argv := b.command(p.dir, path)
	cmd := exec.Command(sbin(t, argv[0]), argv[1:]...)
	// Caddy has files and a listener besides those of its configuration.
	cmd.Env = append(os.Environ(), "HOME="+p.dir, "XDG_CONFIG_HOME="+p.dir, "XDG_DATA_HOME="+p.dir, "CADDY_ADMIN="+redistest.FreeAddress(t))
	f := front{node: &node{process: startProcess(t, cmd, nil), URL: "http://" + p.listen}, secureURL: "https://" + p.secure}
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", p.listen)
		return err == nil && conn.Close() == nil
	}, patience, 10*time.Millisecond, "%s does not listen", b.name)
	return f
}

// writeCertificate writes the files of a place.
func writeCertificate(t *testing.T, dir string) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	server.Close()
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	require.NoError(t, err)
	certText := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	keyText := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	for name, text := range map[string][]byte{"cert.pem": certText, "key.pem": keyText, "both.pem": append(certText, keyText...)} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
}

// sbin returns the path of a program, which may be where only an administrator's shell looks.
func sbin(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	require.NoError(t, err)
	return path
}

// startThree starts the nodes behind a balancer. insecure_dev lets in what came through a proxy.
func startThree(t *testing.T, args ...string) []*node {
	t.Helper()
	var nodes []*node
	for _, name := range []string{"one", "two", "three"} {
		nodes = append(nodes, startNode(t, append([]string{"--insecure-dev", "--node", name}, args...)...))
	}
	return nodes
}

// visitor is somebody who reads through a balancer, with cookies and connections of their own.
type visitor struct {
	t      *testing.T
	url    string
	client *http.Client
}

// visit is a stream that a visitor has opened.
type visit struct {
	*follower

	header http.Header
	proto  string
	node   string        // where it is
	ended  chan struct{} // closed when it is over
}

func newVisitor(t *testing.T, url string) visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true, ResponseHeaderTimeout: patience}
	return visitor{t: t, url: url, client: &http.Client{Transport: transport, Jar: jar}}
}

// opens begins to read GET /events, as an EventSource does, and waits for the hello.
func (v visitor) opens(query string, headers ...string) *visit {
	v.t.Helper()
	opened := &visit{ended: make(chan struct{})}
	opened.follower = follow(v.t, "", func(ctx context.Context) (io.Reader, func(), error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url+"/events?"+query, http.NoBody)
		if err != nil {
			return nil, nil, err
		}
		request.Header.Set("Accept", "text/event-stream")
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			request.Header.Set(name, value)
		}
		response, err := v.client.Do(request)
		if err != nil {
			return nil, nil, err
		}
		opened.header, opened.proto = response.Header, response.Proto
		wait := func() {
			_ = response.Body.Close()
			v.client.CloseIdleConnections()
			close(opened.ended)
		}
		if response.StatusCode != http.StatusOK {
			wait()
			return nil, nil, fmt.Errorf("the answer is %s", response.Status)
		}
		return response.Body, wait, nil
	})
	var data struct{ Node string }
	require.NoError(v.t, json.Unmarshal([]byte(opened.await(1)[0].Data), &data))
	opened.node = data.Node
	return opened
}

// perNode counts streams.
func perNode(visits []*visit) map[string]int {
	counts := make(map[string]int)
	for _, v := range visits {
		counts[v.node]++
	}
	return counts
}

// knock opens one stream after the other, until the test ends or faults is called, which returns what was not answered by 200.
func knock(t *testing.T, url string) (faults func() []string) {
	t.Helper()
	stop, found := make(chan struct{}), make(chan []string, 1)
	go func() { // joined by faults
		var all []string
		for {
			select {
			case <-stop:
				found <- all
				return
			default:
			}
			if fault := knockOnce(url); fault != "" {
				all = append(all, fault)
			}
		}
	}()
	faults = sync.OnceValue(func() []string {
		close(stop)
		return <-found
	})
	t.Cleanup(func() { faults() })
	return faults
}

func knockOnce(url string) (fault string) {
	request, err := http.NewRequest(http.MethodGet, url+"/events?user=knock", http.NoBody)
	if err != nil {
		return err.Error()
	}
	request.Header.Set("Accept", "text/event-stream")
	response, err := httpClient.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	first, err := io.ReadAll(io.LimitReader(response.Body, int64(len("retry:"))))
	if response.StatusCode != http.StatusOK || err != nil || string(first) != "retry:" {
		return fmt.Sprintf("%s %q %v", response.Status, first, err)
	}
	return ""
}
