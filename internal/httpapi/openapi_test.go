package httpapi_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"github.com/pushstream/pushstream/pkg/sse"
)

// file is api/openapi.yaml, checked.
type file struct {
	doc    *openapi3.T
	router routers.Router
}

var loadFile = sync.OnceValues(func() (file, error) {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromFile("../../api/openapi.yaml")
	if err != nil {
		return file{}, err
	}
	if err = doc.Validate(loader.Context); err != nil {
		return file{}, err
	}
	doc.Servers = nil // a test's node listens elsewhere
	openapi3filter.RegisterBodyDecoder("text/event-stream", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder("text/javascript", openapi3filter.PlainBodyDecoder)
	router, err := legacy.NewRouter(doc)
	return file{doc, router}, err
})

func openFile(t *testing.T) file {
	t.Helper()
	f, err := loadFile()
	require.NoError(t, err)
	return f
}

// checkAgainstFile checks an answer of a route that the file has, and the request where it was served in full.
func checkAgainstFile(t *testing.T, r *http.Request, c call, a answer) {
	t.Helper()
	f := openFile(t)
	route, params, err := f.router.FindRoute(r)
	if a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed || c.method == http.MethodOptions {
		require.Error(t, err, "%s %s is in the file", c.method, c.path)
		return
	}
	require.NoError(t, err, "%s %s", c.method, c.path)
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}
	if a.status == http.StatusOK && !strings.Contains(a.body, `"error"`) {
		require.NoError(t, openapi3filter.ValidateRequest(t.Context(), input), "the file refuses what was served")
	}
	require.NoError(t, openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input,
		Status:                 a.status,
		Header:                 a.header,
		Body:                   io.NopCloser(strings.NewReader(a.body)),
		Options:                input.Options,
	}), a.body)
	if a.status >= http.StatusBadRequest && c.method != http.MethodHead {
		require.Contains(t, *route.Operation.Responses.Status(a.status).Value.Description, "`"+a.problem(t).Code+"`",
			"the file has this status, not this code of it")
	}
	if strings.Contains(a.header.Get("Content-Type"), "ndjson") {
		for line := range strings.Lines(a.body) {
			checkSchema(t, "Result", []byte(line))
		}
	}
}

// refusedByFile reports whether the file says that a request is wrong.
func refusedByFile(t *testing.T, r *http.Request) bool {
	t.Helper()
	route, params, err := openFile(t).router.FindRoute(r)
	require.NoError(t, err)
	return openapi3filter.ValidateRequest(t.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route, Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}) != nil
}

// checkSchema checks JSON against a schema of the file.
func checkSchema(t *testing.T, name string, text []byte) {
	t.Helper()
	schema := openFile(t).doc.Components.Schemas[name]
	require.NotNil(t, schema, name)
	var v any
	require.NoError(t, json.Unmarshal(text, &v), "%s", text)
	require.NoError(t, schema.Value.VisitJSON(v, openapi3.EnableJSONSchema2020()), "%s", text)
}

// checkBlock checks a block of a stream against the file.
func checkBlock(t *testing.T, m sse.Message, enveloped bool) {
	t.Helper()
	name, payload := m.Type, []byte(m.Data)
	if enveloped {
		checkSchema(t, "EnvelopeEvent", payload)
		e := unwrap(t, m)
		name, payload = e.Type, e.Data
		if m.HasID {
			require.Equal(t, m.ID, e.ID)
		}
	}
	schema, found := map[string]string{
		"pushstream.hello": "Hello", "pushstream.gap": "Gap", "pushstream.live": "Empty", "pushstream.ping": "Empty", "pushstream.bye": "Bye",
	}[name]
	require.Equal(t, strings.HasPrefix(name, "pushstream."), found, name)
	if found {
		checkSchema(t, schema, payload)
	}
	if m.HasID {
		text, err := json.Marshal(m.ID)
		require.NoError(t, err)
		checkSchema(t, "Id", text)
	}
}

func TestFileHasEveryRouteAndNoOther(t *testing.T) {
	e, isEcho := newAPI(testConfig(), fakeCore{}).Handler().(*echo.Echo)
	require.True(t, isEcho)
	var have, want []string
	for _, route := range e.Routes() {
		have = append(have, route.Method+" "+route.Path)
	}
	for path, item := range openFile(t).doc.Paths.Map() {
		for method := range item.Operations() {
			want = append(want, method+" "+path)
		}
	}
	require.ElementsMatch(t, want, have)
}

func TestFileHasEveryProblemCodeAndNoOther(t *testing.T) {
	schema := openFile(t).doc.Components.Schemas["Problem"].Value.Properties["code"].Value
	var listed []string
	for _, code := range schema.Enum {
		text, isText := code.(string)
		require.True(t, isText)
		listed = append(listed, text)
		require.Contains(t, schema.Description, "\n| `"+text+"` | ", "the table explains every code")
	}
	require.Len(t, listed, strings.Count(schema.Description, "\n| `"))
	require.ElementsMatch(t, codesInSource(t), listed)
}

// codesInSource returns the problem codes that this package's source names: what stands for Code in a composite literal,
// and the first argument of the functions that make problems.
func codesInSource(t *testing.T) []string {
	t.Helper()
	var codes []string
	add := func(e ast.Expr) {
		literal, isLiteral := e.(*ast.BasicLit)
		if !isLiteral {
			return
		}
		code, err := strconv.Unquote(literal.Value)
		require.NoError(t, err)
		if !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	for _, source := range sources(t, ".") {
		ast.Inspect(source, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.KeyValueExpr:
				if key, isName := node.Key.(*ast.Ident); isName && key.Name == "Code" {
					add(node.Value)
				}
			case *ast.CallExpr:
				if f, isName := node.Fun.(*ast.Ident); isName && slices.Contains([]string{"badRequest", "tooLarge", "unauthorized", "unavailable", "overloaded"}, f.Name) {
					add(node.Args[0])
				}
			}
			return true
		})
	}
	require.NotEmpty(t, codes)
	return codes
}

// sources parses the production files of a package.
func sources(t *testing.T, folder string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, parsed)
	}
	require.NotEmpty(t, files, folder)
	return files
}

func TestExamplesInTheFileAreTrue(t *testing.T) {
	n := newNode(t)
	post := openFile(t).doc.Paths.Value("/events").Post
	for name, example := range post.RequestBody.Value.Content["application/json"].Examples {
		body, err := json.Marshal(example.Value.Value)
		require.NoError(t, err)
		a := n.publish(t, string(body))
		require.Equal(t, http.StatusOK, a.status, "%s: %s", name, a.body)
		require.NotContains(t, a.body, "error", name)
	}
	lines, isText := post.RequestBody.Value.Content["application/x-ndjson"].Example.(string)
	require.True(t, isText)
	a := n.do(t, call{method: http.MethodPost, path: "/events", header: []string{ndjsonType}, body: lines})
	require.Equal(t, 2, strings.Count(a.body, `{"id":`), a.body)
	answers := post.Responses.Status(http.StatusOK).Value.Content
	for name, example := range answers["application/json"].Examples {
		require.NoError(t, answers["application/json"].Schema.Value.VisitJSON(example.Value.Value, openapi3.EnableJSONSchema2020()), name)
	}
	lines, isText = answers["application/x-ndjson"].Example.(string)
	require.True(t, isText)
	for line := range strings.Lines(lines) {
		checkSchema(t, "Result", []byte(line))
	}
}
