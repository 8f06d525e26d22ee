// Command github-webhooks shows GitHub's webhook deliveries of a repository, or about a person, in web pages as they
// happen. README.md says how to try it.
package main

import (
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	secret := os.Getenv("GITHUB_WEBHOOK_SECRET")
	if secret == "" {
		log.Fatal("set GITHUB_WEBHOOK_SECRET to the secret of the webhook")
	}
	listen := setting("LISTEN", "127.0.0.1:8090")
	pushstream := setting("NODE_URL", "http://127.0.0.1:8080")

	page, err := newPage(pushstream)
	if err != nil {
		log.Fatalf("NODE_URL: %v", err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /webhook", receiver{secret: secret, pushstream: pushstream})
	mux.Handle("GET /", page)
	server := http.Server{
		Addr: listen, Handler: mux,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: 30 * time.Second,
	}
	log.Printf("feed on http://%s/, webhooks to /webhook, events to %s", listen, pushstream)
	log.Fatal(server.ListenAndServe())
}

func setting(name, standard string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return standard
}
