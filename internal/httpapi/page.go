package httpapi

import (
	"embed"
	"io/fs"
	"net/http"

	"github.com/labstack/echo/v4"
)

//go:embed page
var pageFiles embed.FS

// pagePolicy lets the page run its own script and style, have its icon, which is an empty data URL, and talk to this node:
// nothing else.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page serves the built-in page, for trying things out.
func (a *API) page(e *echo.Echo) {
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic(err) // the name is a constant and valid
	}
	serve := echo.WrapHandler(http.FileServerFS(files))
	policy := func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Response().Header().Set("Content-Security-Policy", pagePolicy)
			c.Response().Header().Set("Cache-Control", "no-cache")
			return next(c)
		}
	}
	for _, path := range []string{"/", "/page.js", "/page.css"} {
		e.GET(path, serve, policy)
	}
}
