package httpapi

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
)

// scriptPath is where pages find the browser client, without a version: it is the one of the node that answers.
const scriptPath = "/pushstream.js"

// clientScript is what clients/js builds for script tags; `make embed-js` writes it.
//
//go:embed pushstream.js
var clientScript []byte

// script returns what serves the browser client, to anybody: it is public, and the same for all.
func script() echo.HandlerFunc {
	digest := sha256.Sum256(clientScript)
	// By the content and nothing else, so that all nodes of a release agree, whatever built or started them.
	name := base64.RawURLEncoding.EncodeToString(digest[:])
	header := map[string]string{
		"ETag": `"` + name + `"`,
		// Asked for anew each time, and mostly answered 304: after an upgrade no page has the old one for another hour. While
		// nodes of two releases answer, a page gets either, and either reads from both.
		"Cache-Control": "no-cache",
		// Pages that isolate themselves load only what says so (HTML, Cross-Origin-Embedder-Policy).
		"Cross-Origin-Resource-Policy": "cross-origin",
		// For script tags with crossorigin: any page may read it, without credentials (Fetch, CORS protocol).
		"Access-Control-Allow-Origin": "*",
	}
	return func(c echo.Context) error {
		h := c.Response().Header()
		for key, value := range header {
			h.Set(key, value)
		}
		// Wherever the digest stands: what compresses on the way makes the tag a weak one, or adds to it.
		if known := strings.Join(c.Request().Header.Values("If-None-Match"), ","); known == "*" || strings.Contains(known, name) {
			return c.NoContent(http.StatusNotModified)
		}
		h.Set("Content-Length", strconv.Itoa(len(clientScript))) // net/http does not count so much by itself
		return c.Blob(http.StatusOK, "text/javascript; charset=utf-8", clientScript)
	}
}
